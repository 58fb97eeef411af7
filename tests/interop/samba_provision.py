#!/usr/bin/python3
"""Makes the Active Directory domain of samba_domain: users, groups, services, keytabs.

usage: samba_provision.py PASSWORD

Everybody has that password, also Administrator. Leaves in SCRATCH: dc/ (the domain),
services.keytab, krbtgt.keytab and groups, the SIDs that alice's PAC must list, one a line.
"""

import logging
import secrets
import sys

import ldb
import samba.dckeytab  # Net.export_keytab comes with it.
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dsdb import (
    DS_DOMAIN_FUNCTION_2008_R2,
    DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID,
    UF_ACCOUNTDISABLE,
    UF_NORMAL_ACCOUNT,
    UF_SMARTCARD_REQUIRED,
    UF_WORKSTATION_TRUST_ACCOUNT,
)
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.net import Net
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB

from samba_domain import CONTROLLER, DOMAIN, NETBIOS, REALM, SCRATCH, WRONG_PASSWORDS_MAX

GROUPS = 40

# Services by their ticket's and session key's etype: msDS-SupportedEncryptionTypes (MS-KILE 2.2.7).
SERVICES = {
    "t18": 0x10,
    "t17": 0x08,
    "t23": 0x04,
    "t23-s18": 0x24,  # A key of RC4, but session keys of AES.
}

# A time long ago, in FILETIME's units.
YEAR_2001 = 126227808000000000

# Who may not sign on, and why not. "locked" is locked by wrong passwords.
USERS = {
    "disabled": {"userAccountControl": str(UF_NORMAL_ACCOUNT | UF_ACCOUNTDISABLE)},
    "expired": {"accountExpires": str(YEAR_2001)},
    "must-change": {"pwdLastSet": "0"},
    "stale": {},
    "locked": {},
    "elsewhere": {"userWorkstations": "ANOTHER"},
    "never": {"logonHours": bytes(21)},
    "card-only": {"userAccountControl": str(UF_NORMAL_ACCOUNT | UF_SMARTCARD_REQUIRED)},
}


def find(database, name):
    """Returns somebody's DN."""
    return database.search(expression=f"sAMAccountName={name}", attrs=["cn"])[0].dn


def make_user(database, name, password):
    """Returns the DN of a new user."""
    database.newuser(name, password)
    return find(database, name)


def set_attributes(database, name, attributes, controls=None):
    message = ldb.Message()
    message.dn = name
    for attribute, value in attributes.items():
        message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    database.modify(message, controls=controls)


def make_refused(database, password):
    """Makes those of USERS, and a machine's account whose password is known."""
    lockout = {"lockoutThreshold": str(WRONG_PASSWORDS_MAX)}
    set_attributes(database, ldb.Dn(database, database.domain_dn()), lockout)
    for name, attributes in USERS.items():
        user = make_user(database, name, password)
        if attributes:
            set_attributes(database, user, attributes)
    set_attributes(database, find(database, "stale"), {"pwdLastSet": str(YEAR_2001)},
                   [f"local_oid:{DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"])
    database.newcomputer("machine")
    database.setpassword("(sAMAccountName=machine$)", password)
    set_attributes(database, find(database, "machine$"),
                   {"userAccountControl": str(UF_WORKSTATION_TRUST_ACCOUNT)})


def sid_of(database, expression):
    found = database.search(expression=expression, attrs=["objectSid"])
    return str(ndr_unpack(security.dom_sid, found[0]["objectSid"][0]))


def populate(database, password):
    """Makes everybody; returns the SIDs of alice's groups."""
    names = [f"group{n:02}" for n in range(GROUPS)]
    database.transaction_start()
    make_user(database, "alice", password)
    make_user(database, "carol", password)  # Who is in no group but everybody's.
    for name in names:
        database.newgroup(name)
        database.add_remove_group_members(name, ["alice"])
    database.newgroup("nested")
    database.add_remove_group_members("nested", names[:1])
    for host, etypes in SERVICES.items():
        user = make_user(database, f"web-{host}", secrets.token_urlsafe(20) + "1-Aa")
        set_attributes(database, user, {
            "servicePrincipalName": f"HTTP/{host}.{DOMAIN}",
            "msDS-SupportedEncryptionTypes": str(etypes),
        })
    make_refused(database, password)
    database.transaction_commit()
    names = ["Domain Users", "nested", *names]
    return [sid_of(database, f"sAMAccountName={name}") for name in names]


def main():
    password = sys.argv[1]
    made = provision(
        logging.getLogger(), system_session(), targetdir=f"{SCRATCH}/dc", lp=LoadParm(),
        realm=REALM, domain=NETBIOS, hostname="dc", hostip=CONTROLLER, adminpass=password,
        serverrole="active directory domain controller", dns_backend="NONE",
        dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2)
    database = SamDB(session_info=system_session(), lp=made.lp, url=made.paths.samdb)
    groups = populate(database, password)
    with open(f"{SCRATCH}/groups", "w", encoding="ascii") as file:
        file.writelines(f"{sid}\n" for sid in groups)

    credentials = Credentials()
    credentials.guess(made.lp)
    net = Net(credentials, made.lp)
    for host in SERVICES:
        net.export_keytab(keytab=f"{SCRATCH}/services.keytab", principal=f"HTTP/{host}.{DOMAIN}")
    net.export_keytab(keytab=f"{SCRATCH}/krbtgt.keytab", principal="krbtgt")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Makes an Active Directory domain in a folder, for samba_ad: users, groups, services, keytabs.

Leaves in the folder: dc/ (the domain), services.keytab, krbtgt.keytab and groups, the SIDs that
alice's PAC must list, one a line.
"""

import argparse
import logging
import secrets

import ldb
import samba.dckeytab  # Net.export_keytab comes with it.
from samba.auth import system_session
from samba.credentials import Credentials
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.net import Net
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB

GROUPS = 40

# Services by their ticket's and session key's etype: msDS-SupportedEncryptionTypes (MS-KILE 2.2.7).
SERVICES = {
    "t18": 0x10,
    "t17": 0x08,
    "t23": 0x04,
    "t23-s18": 0x24,  # A key of RC4, but session keys of AES.
}


def make_user(database, name, password):
    """Returns the DN of a new user."""
    database.newuser(name, password)
    return database.search(expression=f"sAMAccountName={name}", attrs=["cn"])[0].dn


def set_attributes(database, name, attributes):
    message = ldb.Message()
    message.dn = name
    for attribute, value in attributes.items():
        message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    database.modify(message)


def sid_of(database, expression):
    found = database.search(expression=expression, attrs=["objectSid"])
    return str(ndr_unpack(security.dom_sid, found[0]["objectSid"][0]))


def populate(database, domain, password):
    """Makes everybody; returns the SIDs of alice's groups."""
    names = [f"group{n:02}" for n in range(GROUPS)]
    database.transaction_start()
    make_user(database, "alice", password)
    for name in names:
        database.newgroup(name)
        database.add_remove_group_members(name, ["alice"])
    for host, etypes in SERVICES.items():
        user = make_user(database, f"web-{host}", secrets.token_urlsafe(20) + "1-Aa")
        set_attributes(database, user, {
            "servicePrincipalName": f"HTTP/{host}.{domain}",
            "msDS-SupportedEncryptionTypes": str(etypes),
        })
    database.transaction_commit()
    return [sid_of(database, f"sAMAccountName={name}") for name in ["Domain Users", *names]]


def main():
    parser = argparse.ArgumentParser()
    for name in ("--realm", "--address", "--folder", "--password"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    domain = options.realm.lower()
    made = provision(
        logging.getLogger(), system_session(), targetdir=f"{options.folder}/dc", lp=LoadParm(),
        realm=options.realm, domain=options.realm.partition(".")[0].replace("-", ""),
        hostname="dc", hostip=options.address, adminpass=secrets.token_urlsafe(20) + "1-Aa",
        serverrole="active directory domain controller", dns_backend="NONE",
        dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2)
    database = SamDB(session_info=system_session(), lp=made.lp, url=made.paths.samdb)
    groups = populate(database, domain, options.password)
    with open(f"{options.folder}/groups", "w", encoding="ascii") as file:
        file.writelines(f"{sid}\n" for sid in groups)

    credentials = Credentials()
    credentials.guess(made.lp)
    net = Net(credentials, made.lp)
    for host in SERVICES:
        net.export_keytab(keytab=f"{options.folder}/services.keytab",
                          principal=f"HTTP/{host}.{domain}")
    net.export_keytab(keytab=f"{options.folder}/krbtgt.keytab", principal="krbtgt")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Users of an Active Directory domain sign on to usherd over NTLM: the domain is asked by winbindd.

usage: ntlm_domain_test.py --usherd USHERD --load LOAD --accept-server ACCEPT_SERVER

usherd runs on a member of a throw-away domain (samba_domain.py) and has a local account and a keytab
too. Who may sign on may, whatever is wrong with somebody is told in usherd's log, and while the
domain controller or winbindd is away, its users are refused in time, and the others are served.
How many sign-ons a second there are is printed, and is no verdict: it depends on the machine.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import ntlm_load
from matrix import Table
from ntlm_clients import commands, tokens
from ntlm_matrix import OPENSSL, SAMBA_RAW, SAMBA_SPNEGO, Call, Form
from samba_domain import (DOMAIN, MEMBER_COMMANDS, NETBIOS, REALM, SCRATCH, WRONG_PASSWORDS_MAX,
                          Controller, Member, enter_namespaces, run, skip, wait_until)
from usherd import Usherd

WRONG = "wrong password"
OTHER = "the domain finds the response made for another server"
EXPIRED_PASSWORD = "the account's password has expired or must be changed"
RESTRICTED = "the account may not sign on here, or not now"
LATE = "the authority did not answer within its deadline"
ABSENT = "winbindd does not answer"
CLOSED = "its privileged pipe is closed to this user"
NO_SERVER = "no domain controller can be reached"
NO_TRUST = "the domain does not trust this machine"

HERE = pathlib.Path(__file__).resolve().parent

# Who may not sign on, what Samba's own client is told of it, and what usherd's log is to say.
REFUSED = (
    ("nobody", "NT_STATUS_NO_SUCH_USER", WRONG),
    ("disabled", "NT_STATUS_ACCOUNT_DISABLED", "the account is disabled"),
    ("expired", "NT_STATUS_ACCOUNT_EXPIRED", "the account has expired"),
    ("locked", "NT_STATUS_ACCOUNT_LOCKED_OUT", "the account is locked out"),
    ("must-change", "NT_STATUS_PASSWORD_MUST_CHANGE", EXPIRED_PASSWORD),
    ("stale", "NT_STATUS_PASSWORD_EXPIRED", EXPIRED_PASSWORD),
    ("elsewhere", "NT_STATUS_INVALID_WORKSTATION", RESTRICTED),
    ("never", "NT_STATUS_INVALID_LOGON_HOURS", RESTRICTED),
)

# Clients, and how each takes its tokens to usherd.
CLIENTS = (
    ("curl", commands.ask_curl, Form("NTLM")),
    ("requests", commands.ask_requests, Form("NTLM")),
    ("ntlm_auth", tokens.ask_ntlm_auth, Form("NTLM", options=(SAMBA_RAW,))),
    ("ntlm_auth", tokens.ask_ntlm_auth, Form("Negotiate", options=(SAMBA_RAW,))),
    ("ntlm_auth", tokens.ask_ntlm_auth, Form("Negotiate", "spnego", options=(SAMBA_SPNEGO,))),
)
CURL = CLIENTS[0]
LOCAL, LOCAL_USER, LOCAL_PASSWORD = "LOCAL", "bob", "B0b-Passw0rd"
DEADLINE_S = 4
ANSWERED_S = 20  # Later than that is no answer in time on the slowest machine.
BACK_S = 60


class DomainTest:
    def __init__(self, arguments, controller, member):
        self.arguments = arguments
        self.controller = controller
        self.member = member
        self.usherd = None
        self.table = Table(("CLIENT", 9), ("SCHEME", 9), ("FORM", 6), ("USER", 22),
                           ("ASKED", 24), ("EXPECTED", 30))

    def call(self, usherd, form, domain, user, password):
        environment = {**os.environ, "OPENSSL_CONF": f"{SCRATCH}/openssl.cnf",
                       "KRB5CCNAME": f"FILE:{SCRATCH}/no-ticket"}
        # curl and requests read a name without a backslash as one without a domain.
        name = f"{domain}\\{user}" if domain else user
        return Call(f"http://127.0.0.1:{usherd.port}/auth", password, form, "", SCRATCH, environment,
                    domain, user, name)

    def row(self, user="alice", *, domain=NETBIOS, password=None, client=CURL, refused="",
            status="401", signed_on="", asked="", usherd=None):
        """Asks once; `refused` is a part of the reason, or several of which one is given."""
        usherd = usherd or self.usherd
        name, ask, form = client
        call = self.call(usherd, form, domain, user, password or self.controller.password)
        began = time.monotonic()
        said = ask(call).split(",")[0]
        took = time.monotonic() - began
        logged = usherd.verdicts()
        signed_on = signed_on or f"{NETBIOS}\\{user}"
        if refused:
            reasons = (refused,) if isinstance(refused, str) else refused
            good = len(logged) == 1 and f"refused scheme={form.scheme} http={status}: " in logged[0]
            good = good and any(reason in logged[0] for reason in reasons)
            good = good and said == status and took < ANSWERED_S
        else:
            good = len(logged) == 1 and logged[0].endswith(f"signed on mech=NTLM client={signed_on}")
            good = good and said == f"200 {signed_on}"
        verdict = logged[-1].split(" ", 2)[-1] if logged else "nothing"
        self.table.row([name, form.scheme, form.wrapping, f"{domain}\\{user}", asked,
                        refused and "/".join(reasons)[:30] or "signed on"],
                       f"{took:.1f} s {verdict}", [] if good else [said, *logged])

    def kerberos_row(self, asked=""):
        call = Call(f"http://t18.{DOMAIN}:{self.usherd.port}/auth", "", Form("Negotiate"), "",
                    SCRATCH, os.environ)
        said = commands.ask_curl_negotiate(call)
        logged = self.usherd.verdicts()
        user = f"alice@{REALM}"
        good = (said == f"200 {user}" and len(logged) == 1 and
                logged[0].endswith(f"signed on mech=Kerberos client={user}"))
        self.table.row(["curl", "Negotiate", "spnego", user, asked, "signed on"],
                       logged[-1].split(" ", 2)[-1] if logged else "nothing",
                       [] if good else [said, *logged])

    def local_row(self, asked=""):
        self.row(LOCAL_USER, domain=LOCAL, password=LOCAL_PASSWORD, asked=asked,
                 signed_on=f"{LOCAL}\\{LOCAL_USER}")

    def judge(self):
        """Makes sure that the domain is what the rows say: by what Samba's own client is told."""
        password = self.controller.password
        for _ in range(WRONG_PASSWORDS_MAX):
            self.member.judge(NETBIOS, "locked", password + "x")
        told = [("alice", password, "NT_STATUS_OK"),
                ("alice", password + "x", "NT_STATUS_WRONG_PASSWORD")]
        told += [(user, password, expected) for user, expected, _ in REFUSED]
        for user, given, expected in told:
            said = self.member.judge(NETBIOS, user, given)
            asked = "" if given == password else "wrong password"
            self.table.row(["ntlm_auth", "-", "-", f"{NETBIOS}\\{user}", asked, expected], said,
                           [] if said == expected else ["the domain is not as it should be"])

    def names(self):
        """alice by all her names, and those who may not."""
        as_alice = f"{NETBIOS}\\alice"
        self.row("ALICE", signed_on=as_alice, asked="capitals")
        self.row("alice", domain=DOMAIN, signed_on=as_alice, asked="the domain's DNS name")
        self.row("alice", domain="", signed_on=as_alice, asked="no domain")
        self.row(f"alice@{DOMAIN}", domain="", signed_on=as_alice, asked="UPN")
        self.row("machine$", asked="a machine")
        self.row("alice", domain="ELSEWHERE", refused=WRONG, asked="another domain")
        self.row(f"alice@{DOMAIN}", domain="", refused=WRONG, password="wrong",
                 asked="UPN, wrong password")
        for user, _, reason in REFUSED:
            self.row(user, refused=reason)
        # Who does not know the password is not told what is wrong with the account.
        for user in ("disabled", "expired", "must-change"):
            self.row(user, password="wrong", refused=WRONG, asked="wrong password")
        self.local_row()
        self.row(LOCAL_USER, domain=LOCAL, password="wrong", refused=WRONG, asked="wrong password")
        self.kerberos_row()

    def clients(self):
        has_requests = ["/usr/bin/python3", "-c", "import requests_ntlm"]
        for client in CLIENTS:
            if client[0] == "requests" and subprocess.run(has_requests, capture_output=True,
                                                          check=False).returncode != 0:
                print("left out: requests, package python3-requests-ntlm is missing")
                continue
            self.row(client=client)
            self.row(client=client, password="wrong", refused=WRONG, asked="wrong password")

    def identity(self):
        """What the domain says of alice reaches a caller of the C functions, every group of hers,
        and winbindd's uid for her, who is no user of this machine otherwise."""
        keytab = os.environ["USHER_INTEROP_KEYTAB"]
        said = run(self.arguments.accept_server, "--keytab", keytab, "--authority", "winbind",
                   "--netbios-domain", NETBIOS, "--users", "winbind", "--",
                   HERE / "ntlm_token_client.py", NETBIOS, "alice", self.controller.password)
        told = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        expected = {"status": "SEC_E_OK", "user": f"{NETBIOS}\\alice", "account": "alice",
                    "domain": NETBIOS, "upn": f"alice@{DOMAIN}", "signatures": "0"}
        faults = [f"{name}={told.get(name)}" for name, value in expected.items()
                  if told.get(name) != value]
        groups = pathlib.Path(SCRATCH, "groups").read_text(encoding="ascii").split()
        others = set(told.get("groups", "").split(",")) ^ set(groups)
        faults += [f"groups differ in {sorted(others)[:3]}"] if others else []
        uid = run("wbinfo", f"--sid-to-uid={told.get('sid')}").strip()
        # With winbindd among the name services she has a name, too.
        if told.get("uid", told.get("no_user", "").rpartition(" ")[2]) != uid:
            faults.append(f"uid={told.get('uid')}, {told.get('no_user')}, not {uid}")
        self.table.row(["C", "NTLM", "raw", f"{NETBIOS}\\alice", "her groups", "signed on"],
                       f"{told.get('status')}, {len(groups)} groups", faults)

    def measure(self, what, *, domain_users=0):
        """Prints how often those sign on that the domain is not needed for; meanwhile as many
        connections as `domain_users` try to sign on users of the domain."""
        seconds = 1.5
        askers = ntlm_load.Load(self.usherd.port, self.domain_user(), domain_users, 2 * seconds)
        bob = ntlm_load.User(LOCAL, LOCAL_USER, LOCAL_PASSWORD)
        counts, local = ntlm_load.Load(self.usherd.port, bob, 2, seconds).wait()
        command = [self.arguments.load, "--port", str(self.usherd.port), "--service",
                   f"HTTP/t18.{DOMAIN}", "--seconds", str(seconds), "--tokens", "30000", "--json"]
        said = json.loads(run(*command))
        refused, _ = askers.wait()
        self.usherd.verdicts()
        faults = [f"local: {dict(counts)}"] if set(counts) != {200} else []
        faults += [said["first_failure"]] if said["failed"] or said["refused"] or not said["accepted"] \
            else []
        faults += [f"domain: {dict(refused)}"] if set(refused) != {503} and domain_users else []
        asked = f"{domain_users} others wait" if domain_users else ""
        self.table.row(["load", "-", "-", "local and Kerberos", asked, "signed on"],
                       f"{what}: local {local:.0f}/s, Kerberos {said['accepts_per_second']:.0f}/s",
                       faults)

    def measure_domain(self):
        """The controller looks up alice's many groups for every answer."""
        for user in ("alice", "carol"):
            for connections in (1, 8):
                counts, rate = ntlm_load.Load(self.usherd.port, self.domain_user(user), connections,
                                              1.5).wait()
                self.table.row(["load", "NTLM", "raw", f"{NETBIOS}\\{user}",
                                f"{connections} connections", "signed on"], f"{rate:.0f}/s",
                               [] if set(counts) == {200} else [dict(counts)])
        self.usherd.verdicts()

    def domain_user(self, user="alice"):
        return ntlm_load.User(NETBIOS, user, self.controller.password)
    def wait_for_alice(self):
        """Until the domain's users are let in again; winbindd looks for it from time to time."""
        call = self.call(self.usherd, CURL[2], NETBIOS, "alice", self.controller.password)
        wait_until(lambda: commands.ask_curl(call).startswith("200"), "alice's return", BACK_S)
        self.usherd.verdicts()
        self.row(asked="it is back")

    def controller_hangs(self):
        self.controller.daemon.hang()
        asked = "controller hangs"
        self.row(refused=LATE, status="503", asked=asked)
        self.local_row(asked)
        self.kerberos_row(asked)
        self.measure("controller hangs", domain_users=16)
        self.controller.daemon.resume()
        self.wait_for_alice()

    def controller_ends(self):
        self.controller.daemon.kill()
        asked = "controller is gone"
        # It may take winbindd longer than usherd waits to find that out.
        self.row(refused=(NO_SERVER, LATE), status="503", asked=asked)
        wait_until(lambda: self.member.judge(NETBIOS, "alice", self.controller.password) ==
                   "NT_STATUS_NO_LOGON_SERVERS", "winbindd's finding that out")
        self.row(refused=NO_SERVER, status="503", asked=asked)
        self.row("nobody", refused=NO_SERVER, status="503", asked=asked)
        self.local_row(asked)
        self.kerberos_row(asked)
        self.measure("controller is gone", domain_users=16)
        self.controller.start()
        self.wait_for_alice()

    def winbindd_ends(self):
        self.member.winbindd.kill()
        asked = "winbindd is gone"
        self.row(refused=ABSENT, status="503", asked=asked)
        self.local_row(asked)
        self.kerberos_row(asked)
        self.member.start()
        self.wait_for_alice()
        self.member.winbindd.hang()
        self.row(refused=LATE, status="503", asked="winbindd hangs")
        self.local_row("winbindd hangs")
        self.member.winbindd.resume()
        self.wait_for_alice()

    def trust_ends(self):
        """The controller gets another password for the member; winbindd notices with its next
        connection."""
        run("samba-tool", "user", "setpassword", "MEMBER$", "--newpassword=Another-Passw0rd",
            "-H", f"{SCRATCH}/dc/private/sam.ldb", "-s", f"{SCRATCH}/dc/etc/smb.conf")
        self.member.winbindd.kill()
        self.member.start(reached=False)
        self.row(refused=NO_TRUST, status="503", asked="not trusted any more")


def settings():
    return {"authority": "winbind", "authority_seconds": DEADLINE_S}


def skip_without_winbind(usherd):
    """Skips if this usherd cannot ask winbindd; there is none yet, and usherd must say so."""
    try:
        with Usherd(usherd, SCRATCH, "probe", settings(), {}):
            raise RuntimeError("usherd starts without winbindd")
    except RuntimeError as error:
        if "built without libwbclient" in str(error):
            skip("usherd is built without libwbclient (package libwbclient-dev)")
        if "is it running?" not in str(error):
            raise


def usherd_of_nobody(program):
    """A usherd of a user who may not open winbindd's privileged pipe."""
    copy = shutil.copy(program, f"{SCRATCH}/usherd")  # Where that user may read it.
    wrapper = pathlib.Path(SCRATCH, "as-nobody")
    wrapper.write_text("#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "
                       f'{copy} "$@"\n', encoding="utf-8")
    wrapper.chmod(0o755)
    return Usherd(wrapper, SCRATCH, "nobodys", settings(), {})


def write_private(name, text):
    """Writes a file that only its owner may read; usherd takes no other accounts."""
    path = pathlib.Path(SCRATCH, name)
    path.touch(0o600)
    path.write_text(text, encoding="utf-8")
    return str(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--usherd", required=True)
    parser.add_argument("--load", required=True)
    parser.add_argument("--accept-server", required=True)
    enter_namespaces({**MEMBER_COMMANDS, "curl": "curl"})
    arguments = parser.parse_args()
    skip_without_winbind(arguments.usherd)
    began = time.monotonic()
    controller = Controller(Controller.ALL)
    controller.start()
    controller.sign_on()
    member = Member(controller)
    member.start()
    print(f"a domain, its controller and a member: {time.monotonic() - began:.0f} s")
    accounts = write_private("accounts", f"{LOCAL}:{LOCAL_USER}:{LOCAL_PASSWORD}\n")
    write_private("openssl.cnf", OPENSSL)
    whole = {**settings(), "accounts": accounts, "keytab": os.environ["USHER_INTEROP_KEYTAB"]}
    test = DomainTest(arguments, controller, member)
    test.judge()
    with Usherd(arguments.usherd, SCRATCH, "usherd", whole, {}) as test.usherd:
        test.names()
        test.clients()
        test.identity()
        test.measure("all is well")
        test.measure_domain()
        test.controller_hangs()
        test.controller_ends()
        test.winbindd_ends()
        with usherd_of_nobody(arguments.usherd) as usherd:
            test.row(refused=CLOSED, status="503", asked="another user's usherd", usherd=usherd)
        other = {**settings(), "ntlm.netbios_computer": "OTHER"}
        with Usherd(arguments.usherd, SCRATCH, "other", other, {}) as usherd:
            # The domain stops relaying: a response to a server's CHALLENGE is that server's to ask
            # about.
            test.row(refused=OTHER, asked="another server's name", usherd=usherd)
        test.trust_ends()
    print(f"{time.monotonic() - began:.0f} s")
    return test.table.close()


if __name__ == "__main__":
    sys.exit(main())

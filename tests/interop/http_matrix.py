#!/usr/bin/env python3
"""curl or Chromium signs on to usherd with tickets of every etype.

usage: http_matrix.py --usherd USHERD --client curl|chromium

One row for each cell. What counts is what usherd wrote: to its log, and to the client.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

from matrix import TICKETS, Realm, Table
from usherd import Usherd

TIMEOUT_S = 30
PACKAGES = {"curl": "curl", "chromium": "chromium"}

# No look-ups, no services of its own, no sandbox that root cannot have.
CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--auth-server-allowlist=*.localhost",
)

# It delegates by the administrator's policy only, which lies in one place for the whole machine: in a
# mount namespace it is ours. What follows is the command.
DELEGATING = (
    "mount -t tmpfs none /etc/chromium && mkdir -p /etc/chromium/policies/managed && "
    """echo '{"AuthNegotiateDelegateAllowlist": "*.localhost"}' """
    """>/etc/chromium/policies/managed/usher.json && exec "$0" "$@" """
)


def ask_curl(url, environment, _scratch, delegate):
    command = ["curl", "-q", "-s", "--noproxy", "*", "--max-time", str(TIMEOUT_S), "--negotiate",
               "-u", ":", "-D", "-", "-o", os.devnull, url]
    command += ["--delegation", "always"] if delegate else []
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    heads = done.stdout.split("\r\n\r\n")
    answers = [head.splitlines() for head in heads if head.startswith("HTTP/")]
    last = answers[-1] if answers else [f"curl: {done.returncode} {done.stderr}"]
    user = [line.split(": ", 1)[1] for line in last if line.lower().startswith("x-auth-user: ")]
    return " ".join([*last[0].split()[1:2], *user])


def meet_negotiate(profile):
    """Without this a profile that has never met Negotiate does not answer it at first."""
    with open(f"{profile}/Local State", "w", encoding="utf-8") as file:
        file.write('{"net":{"received_http_auth_negotiate_headers":true}}')


def ask_chromium(url, environment, scratch, delegate):
    with tempfile.TemporaryDirectory(dir=scratch) as profile:
        meet_negotiate(profile)
        command = [*CHROMIUM, f"--user-data-dir={profile}", "--dump-dom", url]
        command = ["unshare", "--mount", "sh", "-c", DELEGATING, *command] if delegate else command
        subprocess.run(command, env={**environment, "HOME": profile}, capture_output=True,
                       timeout=TIMEOUT_S, check=True)
    return ""  # It does not say; usherd does.


def can_mount():
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/etc/chromium"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


ASK = {"curl": ask_curl, "chromium": ask_chromium}


def forwarded():
    """Returns how many ticket-granting tickets the KDC has made for clients to hand over."""
    with open(os.environ["USHER_INTEROP_KDC_LOG"], encoding="utf-8") as file:
        return sum("TGS_REQ" in line and " for krbtgt/" in line for line in file)


def row(table, client, realm, usherd, etype, *, delegate=False, refused="", what=""):
    """Asks once, with a ticket and session key of `etype`; `refused` is a part of the reason."""
    forwarded_before = forwarded()
    url = f"http://t{etype}.{realm.domain}:{usherd.port}/auth"
    said = ASK[client](url, realm.environment(etype), realm.scratch, delegate)
    logged = usherd.verdicts()
    user = f"alice@{realm.name}"
    faults = []
    if refused:
        faults += [] if logged and all(refused in line for line in logged) else [len(logged)]
        faults += [] if said in ("401", "") else [said]
    else:
        good = len(logged) == 1 and f"signed on mech=Kerberos client={user}" in logged[0]
        faults += [] if good else [len(logged)]
        faults += [] if said in (f"200 {user}", "") else [said]
    faults += [] if (forwarded() > forwarded_before) == delegate else ["tickets handed over?"]
    asked = " ".join(["delegation"] * delegate + [what]).strip()
    verdict = logged[-1].split(" ", 2)[-1] if logged else "nothing"
    table.row([client, "spnego", etype, asked, refused or "signed on"], verdict, faults)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--usherd", required=True)
    parser.add_argument("--client", choices=ASK, required=True)
    arguments = parser.parse_args()
    client = arguments.client
    if shutil.which(client) is None:
        print(f"skipped: the command '{client}' is missing; it is in Debian's package "
              f"{PACKAGES[client]}")
        return 77
    table = Table(("CLIENT", 9), ("FORM", 7), ("ETYPE", 6), ("ASKED", 30), ("EXPECTED", 10))
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        realm = Realm(scratch)

        def start(name, **policies):
            policies = {key.replace("_", "."): value for key, value in policies.items()}
            settings = {"keytab": realm.keytab}
            return stack.enter_context(Usherd(arguments.usherd, scratch, name, settings, policies))

        delegates = client != "chromium" or can_mount()
        if not delegates:
            print("left out: delegation, for which Chromium needs a mount namespace, and that root")
        strict = start("strict")
        lax = start("lax", kerberos_rc4="allow")
        for etype in TICKETS["mit"]:
            if etype == 23:
                row(table, client, realm, strict, etype, refused="RC4")
                row(table, client, realm, lax, etype, what="kerberos.rc4=allow")
            else:
                row(table, client, realm, strict, etype)
            if delegates:
                row(table, client, realm, lax, etype, delegate=True)
    return table.close()


if __name__ == "__main__":
    sys.exit(main())

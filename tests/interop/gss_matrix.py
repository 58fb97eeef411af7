#!/usr/bin/env python3
"""Clients of the GSS-API sign on to the acceptor in every form, with every etype.

usage: gss_matrix.py --kdc mit|samba --server ACCEPT_SERVER --client NAME COMMAND...

COMMAND is the client, a gss_client. One row for each cell, and what was expected of it: who signed
on, with which keys and flags, that both sides sign messages with one key; or the refusal.
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile

from matrix import TICKETS, Realm, Table

OK = "SEC_E_OK"
FLAGS = {"delegate": 0x1, "mutual": 0x2, "dce": 0x1000}
BINDINGS = "tls-server-end-point:the certificate's hash"
TIMEOUT_S = 20
SKIPPED = 77  # As ctest knows it; the client says why.


@dataclasses.dataclass(frozen=True)
class Cell:
    """One sign-on: how the client comes, what the acceptor is told, and what must come of it."""

    form: str  # raw, spnego, dce (no framing) or spnego-dce.
    ticket: int
    session: int
    ask: tuple = ("mutual",)
    bindings: str = ""  # The client's.
    server: tuple = ()
    host: str = ""  # "" is the service with keys of the etype `ticket`.
    first: int = 0  # The etype the client prefers; 0 is `session`.
    config: str = ""  # A line for the client's krb5.conf.
    status: str = OK
    why: str = ""  # Part of the refusal's text.
    expect: tuple = ()  # More of what the two report, name=value.

    def what(self):
        """Says for the table what is special."""
        words = [word for word in self.ask if word != "mutual"]
        words += [] if "mutual" in self.ask else ["one-way"]
        words += ["bindings"] if self.bindings else []
        words += [f"prefers {self.first}"] if self.first else []
        words += [word.strip().partition(" ")[0] for word in (self.config,) if word]
        words += [w.removeprefix("--") for w in self.server if w not in ("--policy", "--bindings")]
        return " ".join("same-bindings" if word == BINDINGS else word for word in words)


def run(cell, realm, arguments):
    """Runs one cell and returns everything both sides say."""
    service = realm.service(cell.host or f"t{cell.ticket}")
    ask = list(cell.ask) + (["dce"] if cell.form.endswith("dce") else [])
    command = [
        arguments.server, "--keytab", realm.keytab, *cell.server, "--", *arguments.command,
        "--mechanism", "spnego" if cell.form.startswith("spnego") else "raw",
        "--service", service, "--ask", ",".join(ask), "--bindings", cell.bindings,
    ]
    environment = realm.environment(cell.first or cell.session, cell.config)
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode == SKIPPED:
        print(done.stdout)
        sys.exit(SKIPPED)
    said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    if done.returncode != 0:
        said["failed"] = f"exit status {done.returncode}: {done.stderr.strip()}"
    return said, ask, service


def expectations(cell, client, realm, ask, service):
    """Returns what both sides must say, besides flags and refusals."""
    if cell.status != OK:
        return {"status": cell.status, "client": "refused"}
    key = cell.first or cell.session if "mutual" in ask else cell.session
    # Without an AP-REP the acceptor begins with the initiator's number (RFC 4121 2, MIT); Heimdal
    # expects 0.
    out_of_sequence = client == "heimdal" and "mutual" not in ask
    return {
        "status": OK,
        "client": "complete",
        "user": f"alice@{realm.name}",
        "service": service,
        "ticket": str(cell.ticket),
        "key": str(key),
        "subkey": "acceptor" if "mutual" in ask else "initiator",
        "mic-to-acceptor": "right",
        "mic-of-another": "wrong",
        "mic-to-client": "right-but-out-of-sequence" if out_of_sequence else "right",
    }


def faults_of(cell, client, realm, said, ask, service):
    """Returns what is not as it should be, and if the verdict is not, only why."""
    expected = expectations(cell, client, realm, ask, service)
    expected |= dict(pair.split("=", 1) for pair in cell.expect)
    if said.get("status") != cell.status or "failed" in said:
        return [said.get(name) for name in ("why", "client-error", "failed") if name in said]
    faults = [f"{name}={said.get(name)}, not {value}"
              for name, value in expected.items() if said.get(name) != value]
    if cell.status != OK and cell.why not in said.get("why", ""):
        faults.append(f"refused for another reason: {said.get('why')}")
    if cell.status == OK:
        granted = int(said.get("flags", "0"), 16)
        wanted = {w for w in ask if w != "delegate" or "--take-delegation" in cell.server}
        faults += [f"flag {word} is {bool(granted & bit)}"
                   for word, bit in FLAGS.items() if bool(granted & bit) != (word in wanted)]
    return faults


ALLOW_RC4 = ("--policy", "kerberos.rc4=allow")
ALLOW_WEAKER = ("--policy", "kerberos.weaker-keys=allow")


def cells_of_etypes(kdc):
    """Every form with every etype, as ticket and as session key."""
    for etype in TICKETS[kdc]:
        server = ALLOW_RC4 if etype == 23 else ()
        for form in ("raw", "spnego"):
            yield Cell(form, etype, etype, server=server)
            yield Cell(form, etype, etype, server=server, ask=())


def cells(kdc):
    yield from cells_of_etypes(kdc)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kdc", choices=TICKETS, required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--client", required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    table = Table(("CLIENT", 14), ("FORM", 10), ("TICKET", 6), ("KEY", 3), ("ASKED", 34),
                  ("EXPECTED", 20))
    with tempfile.TemporaryDirectory() as scratch:
        realm = Realm(scratch)
        for cell in cells(arguments.kdc):
            said, ask, service = run(cell, realm, arguments)
            table.row(
                [arguments.client, cell.form, cell.ticket, cell.session, cell.what(), cell.status],
                said.get("status"), faults_of(cell, arguments.client, realm, said, ask, service))
    return table.close()


if __name__ == "__main__":
    sys.exit(main())

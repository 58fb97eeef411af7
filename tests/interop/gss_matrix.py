#!/usr/bin/env python3
"""Clients of the GSS-API sign on to the acceptor in every form, with every etype.

usage: gss_matrix.py --kdc mit|samba --server ACCEPT_SERVER --client NAME COMMAND...

COMMAND is the client, a gss_client. One row for each cell, and what was expected of it: who signed
on, with which keys and flags, that each side takes what the other signs and seals; or the refusal.
"""

import argparse
import dataclasses
import subprocess
import sys
import tempfile

from matrix import TICKETS, Realm, Table

OK = "SEC_E_OK"
ATTRIBUTES = {"delegate": 0x1, "mutual": 0x2, "dce": 0x200}  # ASC_RET_*
ASSERTED_BY_AUTHORITY = "S-1-18-1"  # The domain itself vouches for alice (MS-DTYP 2.4.2.4).
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
    key: int = 0  # The etype of the key in the end; 0 is what the client prefers.
    config: str = ""  # A line for the client's krb5.conf.
    status: str = OK
    why: str = ""  # Part of the refusal's text.
    client_error: str = ""  # Part of what the client's library says.
    expect: tuple = ()  # More of what the two report, name=value.

    def delegates(self):
        """Says whether policy, caller and client all want credentials to be handed over."""
        return {"--take-delegation", "delegation=accept"} <= set(self.server) and \
            "delegate" in self.ask

    def what(self):
        """Says for the table what is special."""
        words = [word for word in self.ask if word != "mutual"]
        words += [] if "mutual" in self.ask else ["one-way"]
        words += ["bindings"] if self.bindings else []
        words += [f"prefers {self.first}"] if self.first else []
        words += ["aware"] if self.config else []
        words += [w.removeprefix("--") for w in self.server if w not in ("--policy", "--bindings")]
        return " ".join("same-bindings" if word == BINDINGS else word for word in words)


def run(cell, realm, arguments):
    """Runs one cell and returns everything both sides say."""
    service = realm.service(cell.host or f"t{cell.ticket}")
    ask = list(cell.ask) + (["dce"] if cell.form.endswith("dce") else [])
    server = ["--keytab", realm.keytab, *cell.server]
    if realm.kdc_keytab:
        server += ["--kdc-keytab", realm.kdc_keytab]
    if "--take-delegation" in cell.server:
        server += ["--store-delegated", f"FILE:{realm.delegated}"]
    command = [
        arguments.server, *server, "--", *arguments.command,
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
    """Returns what both sides must say, besides attributes and refusals."""
    if cell.status != OK:
        return {"client": "refused"}
    key = cell.key or (cell.first or cell.session if "mutual" in ask else cell.session)
    # RC4's messages cannot say whose subkey they are made with: it is the client's, but in DCE style.
    from_acceptor = "mutual" in ask and (key != 23 or "dce" in ask)
    # Without an AP-REP the acceptor begins with the initiator's number, as MIT does; Heimdal
    # expects 0.
    out_of_sequence = client == "heimdal" and "mutual" not in ask
    expected = {
        "client": "complete",
        "user": f"alice@{realm.name}",
        "service": service,
        "ticket": str(cell.ticket),
        "key": str(key),
        "subkey": "acceptor" if from_acceptor else "initiator",
        "mic-to-acceptor": "right",
        "mic-of-another": "wrong",
        "mic-to-client": "right-but-out-of-sequence" if out_of_sequence else "right",
        "pac": "verified",
    }
    if "dce" not in ask or client not in ("python3-gssapi", "samba"):  # Theirs are no parts.
        # Heimdal 7.8 asks the wrong structure whether RC4's messages are in DCE style.
        amiss = client == "heimdal" and "dce" in ask and key == 23
        expected |= {"messages-to-acceptor": "right",
                     "messages-to-client": "wrong" if amiss else "right"}
    if realm.groups:
        expected |= {"account": "alice", "signatures": "15"}
    return expected


def faults_of(cell, client, realm, said, ask, service):
    """Returns what is not as it should be, and if the verdict is not, only why."""
    if said.get("status") != cell.status or "failed" in said:
        return [said.get(name) for name in ("why", "client-error", "failed") if name in said]
    expected = expectations(cell, client, realm, ask, service)
    expected |= dict(pair.split("=", 1) for pair in cell.expect)
    faults = [f"{name}={said.get(name)}, not {value}"
              for name, value in expected.items() if said.get(name) != value]
    if cell.status == OK and realm.groups:
        others = set(said.get("groups", "").split(",")) ^ {*realm.groups, ASSERTED_BY_AUTHORITY}
        faults += [f"groups differ in {sorted(others)[:3]}"] if others else []
    if cell.why not in said.get("why", ""):
        faults.append(f"refused for another reason: {said.get('why')}")
    if cell.client_error not in said.get("client-error", ""):
        faults.append(f"the client says: {said.get('client-error')}")
    if cell.status == OK:
        granted = int(said.get("attributes", "0"), 16)
        wanted = {word for word in ask if word != "delegate" or cell.delegates()}
        faults += [f"attribute {word} is {bool(granted & bit)}"
                   for word, bit in ATTRIBUTES.items() if bool(granted & bit) != (word in wanted)]
    if cell.status == OK and cell.delegates():
        faults += faults_of_delegated(realm)
    return faults


def faults_of_delegated(realm):
    """Gets a ticket with what the client delegated, as the client."""
    environment = {**realm.environment(18), "KRB5CCNAME": f"FILE:{realm.delegated}"}
    for command in (["kvno", realm.service("t18")], ["klist"]):
        done = subprocess.run(command, env=environment, capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False)
        if done.returncode != 0:
            return [f"{command[0]}: {done.stderr.strip()}"]
    owner = f"Default principal: alice@{realm.name}"
    return [] if owner in done.stdout else [f"delegated are tickets of another: {done.stdout}"]


FORMS = ("raw", "spnego", "dce", "spnego-dce")
ALLOW_RC4 = ("--policy", "kerberos.rc4=allow")
ALLOW_WEAKER = ("--policy", "kerberos.weaker-keys=allow")
OURS = ("--bindings", BINDINGS)


def cells_of_etypes(kdc):
    """Every form with every etype as ticket and as session key."""
    for etype in TICKETS[kdc]:
        server = ALLOW_RC4 if etype == 23 else ()
        for form in FORMS:
            yield Cell(form, etype, etype, server=server)
        for form in ("raw", "spnego"):
            yield Cell(form, etype, etype, server=server, ask=())
    for form in FORMS:
        yield Cell(form, 23, 23, status="SEC_E_ETYPE_NOT_SUPP", why="kerberos.rc4")


def cells_of_session_keys(pairs):
    """Session keys of another etype than the ticket's: never RC4 unless RC4 is allowed, nor then
    under a better ticket."""
    for ticket, session, host in pairs:
        refused = {"status": "SEC_E_ETYPE_NOT_SUPP", "host": host}
        weak = 23 in (ticket, session)
        if weak:
            yield Cell("raw", ticket, session, why="kerberos.rc4", **refused)
        if session == 23:
            yield Cell("raw", ticket, session, server=ALLOW_RC4, why="kerberos.weaker", **refused)
        server = (ALLOW_RC4 if weak else ()) + (ALLOW_WEAKER if session == 23 else ())
        yield Cell("raw", ticket, session, server=server, host=host)


def cells_of_bindings(ticket, client):
    """Channel bindings: the same, others, none, on either side."""
    bad = {"status": "SEC_E_BAD_BINDINGS"}
    for form in ("raw", "spnego", "dce"):
        def cell(theirs, server, bindings, form=form, **more):
            return Cell(form, ticket, ticket, bindings=theirs, server=server,
                        expect=(f"bindings={bindings}",), **more)

        yield cell(BINDINGS, OURS, "matched")
        yield cell("other", OURS, "mismatched", why="not those of this connection", **bad)
        yield cell("", OURS, "absent", why="sent none", **bad)
        yield cell("", (*OURS, "--allow-missing-bindings"), "absent-allowed")
        yield cell("other", (*OURS, "--allow-missing-bindings"), "mismatched",
                   why="not those of this connection", **bad)
        yield cell("other", ("--proxy-bindings",), "proxied")
        yield cell("other", (*OURS, "--policy", "bindings=never"), "unchecked")
        yield cell("other", (), "unchecked")
        yield cell(BINDINGS, ("--policy", "bindings=always"), "unchecked", why="the caller passed",
                   **bad)
        if client != "heimdal":  # Its library cannot say that it would have sent bindings.
            aware = "client_aware_channel_bindings = true\n"
            yield cell("", (*OURS, "--allow-missing-bindings"), "absent",
                       why="not those of this connection", config=aware, **bad)
            yield cell(BINDINGS, OURS, "matched", config=aware)


def cells_of_delegation(etypes):
    """A ticket-granting ticket that the client sends along, and that is taken or not."""
    take = ("--policy", "delegation=accept", "--take-delegation")
    for etype in etypes:
        server = ALLOW_RC4 if etype == 23 else ()
        for form in FORMS:
            yield Cell(form, etype, etype, ("mutual", "delegate"), server=(*server, *take))
    for server in (take[:2], take[2:], ()):
        yield Cell("spnego", etypes[0], etypes[0], ("mutual", "delegate"), server=server)


def cells_of_negotiation():
    """The client's list of etypes (RFC 4537) decides the subkey's, if the session key is weaker."""
    for first in (20, 18, 19, 17):
        yield Cell("raw", 18, 17, host="only-s17", first=first)
        yield Cell("spnego", 18, 17, host="only-s17", first=first)
    yield Cell("raw", 18, 17, host="only-s17", first=20, ask=())
    # Not RC4, whatever the client prefers, unless it is allowed.
    yield Cell("raw", 18, 17, host="only-s17", first=23, key=20)


def cells_of_refusals(etype, client):
    """Refusals that a client is told about, and policies of mutual authentication."""
    late = ("--clock-offset", "4000")
    for form in ("raw", "spnego"):
        yield Cell(form, etype, etype, server=late, status="SEC_E_TIME_SKEW")
        # Heimdal's SPNEGO does not look behind a reject.
        told = "" if (client, form) == ("heimdal", "spnego") else "skew"
        yield Cell(form, etype, etype, server=(*late, "--error-tokens"), status="SEC_E_TIME_SKEW",
                   client_error=told)
        required = ("--policy", "kerberos.mutual=required")
        yield Cell(form, etype, etype, server=required)
        yield Cell(form, etype, etype, server=required, ask=(),
                   status="SEC_E_SECURITY_QOS_FAILED", why="kerberos.mutual")


def cells(kdc, client):
    """Returns all cells for a client and the KDC that its tickets are from."""
    if client == "samba":  # It wants mutual authentication always; it is here for its messages.
        yield from (cell for cell in cells_of_etypes(kdc) if cell.ask)
        return
    yield from cells_of_etypes(kdc)
    etypes = TICKETS[kdc]
    if kdc == "mit":
        yield from cells_of_session_keys(
            (ticket, session, "") for ticket in etypes for session in etypes if ticket != session)
        yield from cells_of_negotiation()
        yield from cells_of_refusals(18, client)
    else:
        yield from cells_of_session_keys([(23, 18, "t23-s18")])
    yield from cells_of_bindings(18, client)
    yield from cells_of_delegation(etypes)


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
        for cell in cells(arguments.kdc, arguments.client):
            said, ask, service = run(cell, realm, arguments)
            table.row(
                [arguments.client, cell.form, cell.ticket, cell.session, cell.what(), cell.status],
                said.get("status"), faults_of(cell, arguments.client, realm, said, ask, service))
    return table.close()


if __name__ == "__main__":
    sys.exit(main())

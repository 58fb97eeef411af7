#!/usr/bin/python3
"""The python3-gssapi client of accept_server: takes and prints what gss_client.cc does."""

import argparse
import socket
import sys

try:
    import gssapi
    from gssapi.raw import ChannelBindings
except ImportError as error:
    print(f"skipped: {error}; it is in Debian's package python3-gssapi")
    sys.exit(77)

MECHANISMS = {
    "raw": gssapi.OID.from_int_seq("1.2.840.113554.1.2.2"),
    "spnego": gssapi.OID.from_int_seq("1.3.6.1.5.5.2"),
}
ALWAYS = (
    gssapi.RequirementFlag.confidentiality,
    gssapi.RequirementFlag.integrity,
    gssapi.RequirementFlag.replay_detection,
    gssapi.RequirementFlag.out_of_sequence_detection,
)
ASKED = {
    "mutual": gssapi.RequirementFlag.mutual_authentication,
    "delegate": gssapi.RequirementFlag.delegate_to_peer,
    "dce": gssapi.RequirementFlag.dce_style,
}


class Acceptor:
    """The other end of descriptor 3."""

    def __init__(self):
        self.lines = socket.socket(fileno=3).makefile("rw", encoding="ascii", newline="\n")

    def ask(self, verb, first, second=b""):
        self.lines.write(f"{verb} {first.hex()} {second.hex()}\n")
        self.lines.flush()
        answer = self.lines.readline()
        if not answer.endswith("\n"):
            raise RuntimeError("the acceptor is gone")
        return (answer.split() + ["", ""])[:2]


def sign_on(client, acceptor):
    """Goes on until both sides are content, or one is not; returns which."""
    established = False
    answer = None
    while True:
        token = client.step(answer)
        answer = None
        if token:
            verdict, answer = acceptor.ask("token", token)
            answer = bytes.fromhex(answer)
            established = verdict == "established"
            if verdict == "refused" and not answer:
                return False
        elif not client.complete:
            raise RuntimeError("both sides wait for each other")
        if client.complete and not answer:
            return established


def verified(client, message, mic):
    try:
        client.verify_signature(message, mic)
    except gssapi.exceptions.GSSError:
        return False
    return True


def exchange(client, acceptor):
    """Sends messages to and fro; returns how the acceptor and how the client found them."""
    found = {"acceptor": "right", "client": "right"}
    for size in (1, 15, 16, 100, 5000):
        for seal in (True, False):
            message = b"m" * size
            verdict, heard = acceptor.ask("open", client.wrap(message, seal).message)
            if (verdict, bytes.fromhex(heard)) != ("sealed" if seal else "readable", message):
                found["acceptor"] = "wrong"
            answer = bytes.fromhex(acceptor.ask("seal" if seal else "wrap", message)[0])
            try:
                opened = client.unwrap(answer)
                if (opened.message, opened.encrypted) != (message, seal):
                    found["client"] = "another"
            except gssapi.exceptions.GSSError:
                found["client"] = "wrong"
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mechanism", choices=MECHANISMS, required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--ask", default="")
    parser.add_argument("--bindings")
    options = parser.parse_args()
    acceptor = Acceptor()
    bindings = options.bindings and ChannelBindings(application_data=options.bindings.encode())
    client = gssapi.SecurityContext(
        name=gssapi.Name(options.service, gssapi.NameType.kerberos_principal),
        mech=MECHANISMS[options.mechanism],
        flags=[*ALWAYS, *(ASKED[word] for word in options.ask.split(",") if word)],
        channel_bindings=bindings or None,
        usage="initiate",
    )
    client.__DEFER_STEP_ERRORS__ = False  # Else a failed step gives a token that says so.
    try:
        if not sign_on(client, acceptor):
            print("client=refused")
            return
    except gssapi.exceptions.GSSError as error:
        print(f"client=refused\nclient-error={error}")
        return
    print(f"client=complete\nclient-flags={int(client.actual_flags):x}")
    message = b"message"
    ours = client.get_signature(message)
    print("mic-to-acceptor=" + acceptor.ask("check", message, ours)[0])
    print("mic-of-another=" + acceptor.ask("check", b"messega", ours)[0])
    theirs = bytes.fromhex(acceptor.ask("sign", message)[0])
    print("mic-to-client=" + ("right" if verified(client, message, theirs) else "wrong"))
    if "dce" in options.ask:  # Its messages are in parts, which python3-gssapi's wrap does not make.
        return
    for side, word in exchange(client, acceptor).items():
        print(f"messages-to-{side}={word}")


if __name__ == "__main__":
    sys.exit(main())

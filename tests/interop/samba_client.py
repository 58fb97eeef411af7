#!/usr/bin/python3
"""Samba's client of accept_server: takes and prints what gss_client.cc does."""

import argparse
import sys

from gss_client import Acceptor

try:
    from samba import credentials, gensec, param
except ImportError as error:
    print(f"skipped: {error}; it is in Debian's package python3-samba")
    sys.exit(77)

MECHANISMS = {"raw": "gssapi_krb5", "spnego": "spnego"}


def make_client(options, service, host):
    """Returns a client's side that will ask for a ticket with the default credential cache. The
    strings must outlive it: Samba's module keeps pointers into them."""
    settings = param.LoadParm()
    settings.set("log level", "0")
    settings.set("client use spnego principal", "no")
    account = credentials.Credentials()
    account.guess(settings)
    account.set_kerberos_state(credentials.MUST_USE_KERBEROS)
    client = gensec.Security.start_client({"target_hostname": host, "lp_ctx": settings})
    client.set_credentials(account)
    client.set_target_service(service)
    client.want_feature(gensec.FEATURE_SIGN)
    client.want_feature(gensec.FEATURE_SEAL)
    if "dce" in options.ask:
        client.want_feature(gensec.FEATURE_DCE_STYLE)
    client.start_mech_by_name(MECHANISMS[options.mechanism])
    return client


def sign_on(client, acceptor):
    """Goes on until both sides are content, or one is not; returns which."""
    established = False
    answer = b""
    while True:
        complete, token = client.update(answer)
        if not token:
            return bool(complete) and established
        verdict, answer = acceptor.ask("token", token)
        answer = bytes.fromhex(answer)
        established = verdict == "established"
        if complete and not answer:
            return established
        if verdict == "refused" and not answer:
            return False


def exchange(client, acceptor):
    """Sends sealed messages to and fro; returns how the acceptor and how the client found them."""
    found = {"acceptor": "right", "client": "right"}
    for size in (1, 15, 16, 100, 5000):
        message = b"m" * size
        verdict, heard = acceptor.ask("open", client.wrap(message))
        if (verdict, bytes.fromhex(heard)) != ("sealed", message):
            found["acceptor"] = "wrong"
        try:
            if client.unwrap(bytes.fromhex(acceptor.ask("seal", message)[0])) != message:
                found["client"] = "another"
        except RuntimeError:
            found["client"] = "wrong"
    return found


def verified(client, message, mic):
    try:
        client.check_packet(message, message, mic)
    except RuntimeError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mechanism", choices=MECHANISMS, required=True)
    parser.add_argument("--service", required=True)
    parser.add_argument("--ask", default="")
    parser.add_argument("--bindings")
    options = parser.parse_args()
    acceptor = Acceptor()
    service, host = options.service.split("@")[0].split("/")
    client = make_client(options, service, host)
    try:
        if not sign_on(client, acceptor):
            print("client=refused")
            return
    except RuntimeError as error:
        print(f"client=refused\nclient-error={error}")
        return
    print("client=complete")
    message = b"message"
    ours = client.sign_packet(message, message)
    print("mic-to-acceptor=" + acceptor.ask("check", message, ours)[0])
    print("mic-of-another=" + acceptor.ask("check", b"messega", ours)[0])
    theirs = bytes.fromhex(acceptor.ask("sign", message)[0])
    print("mic-to-client=" + ("right" if verified(client, message, theirs) else "wrong"))
    if "dce" not in options.ask:
        for side, word in exchange(client, acceptor).items():
            print(f"messages-to-{side}={word}")


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""A user's side of NTLM for accept_server, which says what it learnt of the user.

usage: accept_server OPTION... -- ntlm_token_client.py DOMAIN USER PASSWORD
"""

import socket
import sys

import ntlm_load


def main():
    user = ntlm_load.User(*sys.argv[1:])
    with socket.socket(fileno=3) as line, line.makefile("rw", encoding="ascii") as lines:
        def send(token):
            lines.write(f"token {token.hex()}\n")
            lines.flush()
            return lines.readline().split()
        verb, challenge = send(ntlm_load.NEGOTIATE)
        if verb != "continue":
            sys.exit("no CHALLENGE")
        send(user.authenticate(bytes.fromhex(challenge)))


if __name__ == "__main__":
    main()

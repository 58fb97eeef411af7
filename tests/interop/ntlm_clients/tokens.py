"""Clients that have no HTTP of their own; their tokens are carried on one connection."""

import base64
import contextlib
import http.client
import subprocess
import urllib.parse

TIMEOUT_S = 30
BEGINS = {"raw": b"NTLMSSP\0", "spnego": b"\x60"}


class Program:
    """gss.cc and winpr2.cc; token_lines.h tells what they say."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1)
        self.complete = False
        self.failure = ""

    def say(self, line):
        self.process.stdin.write(line + "\n")
        word, _, rest = self.process.stdout.readline().strip().partition(" ")
        return word, rest

    def step(self, answer):
        """Takes the acceptor's token, empty at first; returns the next one, empty if there is none."""
        state, rest = self.say(answer.hex())
        self.complete = state == "complete"
        if state in ("continue", "complete"):
            return bytes.fromhex(rest)
        self.failure = f"{state} {rest}"
        return b""


class NtlmAuth(Program):
    """Samba's ntlm_auth says AF, or KK in SPNEGO, with its last token, and AF to usherd's last."""

    def step(self, answer):
        state, rest = self.say(f"TT {base64.b64encode(answer).decode()}" if answer else "YR")
        self.complete = state == "AF"
        if state in ("YR", "TT", "KK", "AF"):
            return base64.b64decode(rest)
        self.failure = f"{state} {rest}"
        return b""


def carry(client, call, line):
    """Goes on until both sides are content, or one is not; returns usherd's last answer."""
    path = urllib.parse.urlsplit(call.url).path
    token = client.step(b"")
    if not token.startswith(BEGINS[call.form.wrapping]):
        raise RuntimeError(f"no {call.form.wrapping} token: {token[:16].hex()} {client.failure}")
    while True:
        carried = f"{call.form.scheme} {base64.b64encode(token).decode()}"
        line.request("GET", path, headers={"Authorization": carried})
        answer = line.getresponse()
        answer.read()
        scheme, _, text = answer.getheader("WWW-Authenticate", "").partition(" ")
        if scheme != call.form.scheme or not text:
            return answer
        token = client.step(base64.b64decode(text))
        if not token:
            return answer


def ask_carrying(client, call):
    host = urllib.parse.urlsplit(call.url).netloc
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT_S)
    with contextlib.closing(connection), client.process:
        answer = carry(client, call, connection)
        client.process.stdin.close()
    said = f"{answer.status} {answer.getheader('X-Auth-User', '')}".strip()
    if client.failure:
        return f"{said}, client: {client.failure}"
    return said if answer.status != 200 or client.complete else f"{said}, client waits for more"


def ask_gss(call):
    return ask_carrying(Program([f"{call.programs}/ntlm_gss_mit", call.form.wrapping,
                                 "HTTP@localhost"], call.environment), call)


def ask_heimdal(call):
    return ask_carrying(Program([f"{call.programs}/ntlm_gss_heimdal", call.form.wrapping,
                                 f"HTTP@{call.domain}"], call.environment), call)


def ask_winpr(call):
    command = [f"{call.programs}/ntlm_winpr2", *call.form.options, call.domain, call.user,
               call.password]
    return ask_carrying(Program(command, call.environment), call)


def ask_ntlm_auth(call):
    command = ["ntlm_auth", "--configfile=/dev/null", *call.form.options, f"--domain={call.domain}",
               f"--username={call.user}", f"--password={call.password}"]
    return ask_carrying(NtlmAuth(command, call.environment), call)

#!/usr/bin/env python3
"""Clients sign on to each of the servers in tools/samples and exchange sealed messages with it.

usage: samples_test.py --servers FOLDER --messages COUNT --client mit|heimdal|winpr COMMAND...

Run in the realm that tests/interop/mit_kdc sets up. COMMAND is the client, see sample_client.h. With
the client come those who do not know the protocol, or break it: the server says what was wrong, ends
their connection and lives on.
"""

import argparse
import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from matrix import Table

SERVERS = ("sspi_server_c", "sspi_server_cc", "sspi_async_server")
DOMAIN, USER, PASSWORD = "EXAMPLE", "alice", "Al1ce-Passw0rd"
# A terminal would take this one's name for orders.
ODD_USER, ODD_AS_SAID = "m\x1b[31mallory\x7f", r"m\?\[31mallory\?"
TIMEOUT_S = 60
CROWD = 8
FRAME_MAX = 65536 + 1024


class Fault(Exception):
    """Something that is not as it should be."""


class Server:
    """One of the servers, running, and what it has said since somebody last asked."""

    def __init__(self, path, folder, keytab, *more):
        accounts = folder / "accounts"
        accounts.write_text("".join(f"{DOMAIN}:{user}:{PASSWORD}\n" for user in (USER, ODD_USER)),
                            encoding="ascii")
        accounts.chmod(0o600)
        self.log = folder / f"{path.name}.log"
        self.seen = 0
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [path, "-k", keytab, "-a", accounts, *more, "0"], stdout=subprocess.PIPE,
                stderr=log, text=True)
        first = self.process.stdout.readline()
        match = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", first)
        if not match:
            self.process.wait()
            raise Fault(f"does not start: {first}{self.log.read_text()}")
        self.port = int(match.group(1))

    def expect(self, *patterns):
        """Waits until the server has said all of these since the last time, in any order."""
        end = time.monotonic() + TIMEOUT_S
        while True:
            text = self.log.read_text(encoding="utf-8")[self.seen:]
            missing = [pattern for pattern in patterns if not re.search(pattern, text)]
            if not missing:
                self.seen += len(text)
                return
            if self.process.poll() is not None:
                raise Fault(f"has ended with {self.process.returncode}: {text}")
            if time.monotonic() > end:
                raise Fault(f"has not said {missing} but {text}")
            time.sleep(0.01)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(TIMEOUT_S) != 0:
            raise Fault(f"ends with {self.process.returncode}: {self.log.read_text()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


class Client:
    """How a client is called, and what the servers say of it."""

    def __init__(self, name, command):
        self.command = command
        realm = re.search(r"default_realm = (\S+)",
                          pathlib.Path(os.environ["KRB5_CONFIG"]).read_text()).group(1)
        if name == "winpr":
            self.forms = [["--package", package, "--domain", DOMAIN, "--user", user,
                           "--password", PASSWORD]
                          for user in (USER, ODD_USER) for package in ("NTLM", "Negotiate")]
            self.said = [rf"signed on as {DOMAIN}\\{user} by NTLM"
                         for user in (USER, ODD_AS_SAID) for _ in range(2)]
            self.ends = ("flip", "replay", "long", "cut")
        else:
            hosts = ("t18", "t20", "t17", "t19")  # Keys of one etype each.
            domain = os.environ["USHER_INTEROP_DOMAIN"]
            self.forms = [["--service", f"HTTP/{host}.{domain}@{realm}"] for host in hosts]
            self.said = [rf"signed on as {USER}@{realm} by Kerberos"] * len(hosts)
            self.ends = ("flip", "replay", "plain", "long", "cut")
        self.known = self.said[0]

    def start(self, port, messages, form=0, end=None):
        arguments = ["--port", str(port), "--messages", str(messages), *self.forms[form]]
        return subprocess.Popen([*self.command, *arguments, *(["--end", end] if end else [])],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def finish(process, messages, end=None):
        """Waits for a client; everything it saw must have been right."""
        out, err = process.communicate(timeout=TIMEOUT_S)
        if process.returncode != 0:
            raise Fault(f"the client: {err.strip()}, exit status {process.returncode}")
        said = dict(line.split("=", 1) for line in out.splitlines())
        if said.get("messages") != str(messages) or said.get("ended") != ("1" if end else None):
            raise Fault(f"the client says {said}")
        return said

    def run(self, port, messages, form=0, end=None):
        return self.finish(self.start(port, messages, form, end), messages, end)


def messages(server, client, count):
    """Every form of the client, all messages."""
    for form in range(len(client.forms)):
        client.run(server.port, count, form)
        server.expect(client.said[form], rf"leaves after {count} messages")


def crowd(server, client, count):
    """Several clients at once."""
    clients = [client.start(server.port, count // 10) for _ in range(CROWD)]
    faults = []
    for process in clients:
        try:
            client.finish(process, count // 10)
        except Fault as fault:
            faults.append(str(fault))
    if faults:
        raise Fault("; ".join(faults))
    server.expect(rf"(?s)(leaves after {count // 10} messages.*){{{CROWD}}}")


def misbehaviour(server, client):
    """Clients who sign on and then do what is to be refused; each has one message that is right."""
    words = {
        "flip": r"refused: .*0x8009030F", "replay": r"refused: .*0x80090310",
        "plain": r"refused: it is not encrypted", "long": "a frame is too long",
        "cut": "the connection ended inside a frame",
    }
    for end in client.ends:
        client.run(server.port, 1, end=end)
        server.expect(client.known, words[end])


def strangers(server, client):
    """Connections that never sign on: each is told of, and ends."""
    token = b"\x60\x82\x01\x00garbage"
    for sent, words in (
            (struct.pack("<I", len(token)) + token, r"refused: .*0x80090308"),
            (struct.pack("<I", 8) + b"NTLMSSP\0", r"refused: .*0x80090308"),
            (struct.pack("<I", FRAME_MAX + 1), "a frame is too long"),
            (struct.pack("<I", FRAME_MAX) + bytes(FRAME_MAX), r"refused: .*0x80090308"),
            (b"\x10\x00", "the connection ended inside a frame"),
            (struct.pack("<I", 16) + b"half", "the connection ended inside a frame")):
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as stranger:
            stranger.sendall(sent)
            stranger.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):  # It may not have read all.
                while stranger.recv(4096):
                    pass
        server.expect(words)
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S):
        pass  # Comes and goes.
    client.run(server.port, 3)
    server.expect(client.known, "leaves after 3 messages")


def an_end(server, client):
    """SIGTERM while one has begun and one said nothing: both connections end, the server with 0."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as idle, \
            socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as half:
        half.sendall(struct.pack("<I", 100))
        client.run(server.port, 1)  # So the others, who came before, have been accepted.
        server.expect("leaves after 1 messages")
        server.stop()
        for end in (idle, half):
            with contextlib.suppress(ConnectionResetError):
                if end.recv(1) != b"":
                    raise Fault("a client hears something at the end")


def refusals_to_start(path, keytab, folder):
    """Arguments that are wrong end the server with words, and with exit status 1 or 2."""
    for arguments, status, words in (
            (["-k", folder / "none", "0"], 1, "cannot acquire a credential: .*keytab"),
            (["-k", keytab, "-p", "Digest", "0"], 1, "cannot acquire a credential"),
            (["-k", keytab], 2, "usage: "), (["-k", keytab, "65536"], 2, "usage: "),
            (["-k", keytab, "12x"], 2, "usage: "), (["-k", keytab, ""], 2, "usage: "),
            (["-x", "0"], 2, "invalid option")):
        done = subprocess.run([path, *arguments], capture_output=True, text=True,
                              timeout=TIMEOUT_S, check=False)
        if done.returncode != status or not re.search(words, done.stderr) or done.stdout:
            raise Fault(f"{arguments}: exit status {done.returncode}: {done.stderr}")


def judge(table, columns, check, *arguments):
    """Adds a row: a fault comes with the server's last words."""
    try:
        check(*arguments)
    except (Fault, OSError, subprocess.TimeoutExpired) as fault:
        said = [server.log.read_text(encoding="utf-8")[-300:]
                for server in arguments if isinstance(server, Server)]
        table.row(columns, "", [str(fault), *said])
    else:
        table.row(columns, "as it should be", [])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--servers", type=pathlib.Path, required=True)
    parser.add_argument("--messages", type=int, required=True)
    parser.add_argument("--client", choices=("mit", "heimdal", "winpr"), required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    keytab = os.environ["USHER_INTEROP_KEYTAB"]
    client = Client(arguments.client, arguments.command)
    table = Table(("SERVER", 18), ("CLIENT", 8), ("WHAT", 34))
    count = arguments.messages
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for server_name in SERVERS:
            path = arguments.servers / server_name
            server = None
            try:
                server = Server(path, folder, keytab)
                for what, check, *more in (
                        (f"{count} messages", messages, count), (f"{CROWD} clients at once", crowd, count),
                        ("what ends a connection", misbehaviour), ("strangers", strangers),
                        ("SIGTERM", an_end)):
                    judge(table, (server_name, arguments.client, what), check, server, client, *more)
            except Fault as fault:
                table.row((server_name, arguments.client, "start"), "", [str(fault)])
            finally:
                if server is not None:
                    server.kill()
            judge(table, (server_name, arguments.client, "wrong arguments"), refusals_to_start, path,
                  keytab, folder)
    return table.close()


if __name__ == "__main__":
    sys.exit(main())

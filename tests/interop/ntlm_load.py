"""Sign-ons over NTLM from a few threads, as often as they are answered. Needs python3-samba for MD4."""

import base64
import collections
import contextlib
import hashlib
import hmac
import http.client
import os
import struct
import threading
import time

TIMEOUT_S = 60
PAUSE_S = 0.1
UNICODE, TARGET, NTLM, ALWAYS_SIGN, ESS, KEY_128 = 0x1, 0x4, 0x200, 0x8000, 0x80000, 0x20000000
FLAGS = UNICODE | TARGET | NTLM | ALWAYS_SIGN | ESS | KEY_128
NEGOTIATE = b"NTLMSSP\0" + struct.pack("<II", 1, FLAGS) + bytes(16)
FILETIME_1970 = 11644473600


def md5(key, data):
    return hmac.new(key, data, hashlib.md5).digest()


class User:
    """A name and what answers a CHALLENGE (MS-NLMP 3.3.2)."""

    def __init__(self, domain, name, password):
        from samba.credentials import Credentials  # Only Debian's Python finds it.
        credentials = Credentials()
        credentials.set_password(password)
        self.domain, self.name = (text.encode("utf-16-le") for text in (domain, name))
        self.key = md5(bytes(credentials.get_nt_hash()), (name.upper() + domain).encode("utf-16-le"))

    def authenticate(self, challenge):
        """Returns the AUTHENTICATE message that answers a CHALLENGE message."""
        size, _, offset = struct.unpack_from("<HHI", challenge, 40)
        now = int((time.time() + FILETIME_1970) * 10**7)
        pairs = challenge[offset:offset + size]
        proven = (b"\1\1" + bytes(6) + struct.pack("<Q", now) + os.urandom(8) + bytes(4) + pairs +
                  bytes(4))
        proof = md5(self.key, challenge[24:32] + proven)
        fields, payload = b"", b""
        for field in (bytes(24), proof + proven, self.domain, self.name, b"", b""):
            fields += struct.pack("<HHI", len(field), len(field), 64 + len(payload))
            payload += field
        return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", FLAGS) + payload


def ask(line, token):
    """Sends a token; returns the answer's status and token."""
    carried = "NTLM " + base64.b64encode(token).decode()
    line.request("GET", "/auth", headers={"Authorization": carried})
    answer = line.getresponse()
    answer.read()
    text = answer.getheader("WWW-Authenticate", "").partition(" ")[2]
    return answer.status, base64.b64decode(text)


def sign_on_repeatedly(port, user, give_up, counts):
    """Until it is time to give up; `counts` is how often each status was the answer. Who is refused
    waits a little before the next try."""
    while time.monotonic() < give_up:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        with contextlib.closing(line):
            status = 200
            while status == 200 and time.monotonic() < give_up:
                challenge = ask(line, NEGOTIATE)[1]
                status = ask(line, user.authenticate(challenge))[0]
                counts[status] += 1
        if status != 200:
            time.sleep(PAUSE_S)


class Load:
    """Signs a user on over so many connections at once, for so long."""

    def __init__(self, port, user, connections, seconds):
        self.started = time.monotonic()
        self.counts = [collections.Counter() for _ in range(connections)]
        self.failures = []
        self.threads = [
            threading.Thread(target=self.work, args=(port, user, self.started + seconds, counts))
            for counts in self.counts]
        for thread in self.threads:
            thread.start()

    def work(self, *arguments):
        try:
            sign_on_repeatedly(*arguments)
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))

    def wait(self):
        """Waits for the end; returns how often each status was the answer, and sign-ons/s."""
        for thread in self.threads:
            thread.join()
        took = time.monotonic() - self.started
        if self.failures:
            raise RuntimeError(f"usherd does not answer: {self.failures[0]}")
        counts = sum(self.counts, collections.Counter())
        return counts, counts[200] / took

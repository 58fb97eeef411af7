"""What the tables of interop tests share: client configurations of a realm, and counted rows.

The realm is the one that tests/interop/mit_kdc or samba_ad has set up: its client configuration is
the file KRB5_CONFIG, alice's ticket-granting ticket is in KRB5CCNAME, the services' keys are in
USHER_INTEROP_KEYTAB. A service with keys of one etype only is HTTP/t18.DOMAIN.
"""

import os
import re
import shutil

# By preference where nothing else is asked for.
ETYPES = {
    20: "aes256-cts-hmac-sha384-192",
    18: "aes256-cts-hmac-sha1-96",
    19: "aes128-cts-hmac-sha256-128",
    17: "aes128-cts-hmac-sha1-96",
    23: "arcfour-hmac-md5",
}

# What each KDC issues and is asked for: etypes of tickets.
TICKETS = {"mit": (20, 18, 19, 17, 23), "samba": (18, 17, 23)}


class Realm:
    """A realm and its clients' configurations, one for each etype that comes first."""

    def __init__(self, scratch):
        self.scratch = scratch
        with open(os.environ["KRB5_CONFIG"], encoding="utf-8") as file:
            self.config = file.read()
        self.name = re.search(r"default_realm = (\S+)", self.config).group(1)
        self.domain = os.environ["USHER_INTEROP_DOMAIN"]
        self.keytab = os.environ["USHER_INTEROP_KEYTAB"]
        self.delegated = f"{scratch}/delegated"
        # Only Active Directory's: what verifies the KDC's own signatures, and alice's groups.
        self.kdc_keytab = os.environ.get("USHER_INTEROP_KDC_KEYTAB")
        self.groups = []
        if "USHER_INTEROP_GROUPS" in os.environ:
            with open(os.environ["USHER_INTEROP_GROUPS"], encoding="ascii") as file:
                self.groups = file.read().split()
        self.cache = os.environ["KRB5CCNAME"].removeprefix("FILE:")

    def service(self, host):
        return f"HTTP/{host}.{self.domain}@{self.name}"

    def environment(self, first, extra=""):
        """Returns what a client needs that prefers the etype `first`, with a cache of its own:
        the KDC takes a session key of the first of these that it has for the service."""
        name = f"{first}{'-' + re.sub('[^a-z]', '', extra) if extra else ''}"
        config = f"{self.scratch}/krb5-{name}.conf"
        cache = f"{self.scratch}/cache-{name}"
        if not os.path.exists(config):
            etypes = " ".join([ETYPES[first], *(ETYPES[e] for e in ETYPES if e != first)])
            # The second name is Heimdal's.
            lines = f"  permitted_enctypes = {etypes}\n  default_etypes = {etypes}\n"
            text = re.sub(r" *permitted_enctypes = .*\n", "", self.config)
            text = text.replace("[libdefaults]\n", f"[libdefaults]\n{lines}{extra}", 1)
            with open(config, "w", encoding="utf-8") as file:
                file.write(text)
        shutil.copy(self.cache, cache)  # With its mode: Heimdal reads no cache that others can.
        return {**os.environ, "KRB5_CONFIG": config, "KRB5CCNAME": f"FILE:{cache}"}


class Table:
    """Prints a row for every cell and counts those that are not as expected."""

    def __init__(self, *columns):
        self.widths = [width for _, width in columns]
        self.rows = 0
        self.failures = 0
        self.line([name for name, _ in columns], "VERDICT")

    def line(self, columns, verdict):
        cells = (f"{str(text):{width}}" for text, width in zip(columns, self.widths))
        print(*cells, verdict, flush=True)

    def row(self, columns, verdict, faults):
        """Adds a row; `faults` is a list of what is not as it should be."""
        self.rows += 1
        self.failures += bool(faults)
        self.line(columns, verdict if not faults else f"{verdict}: NOT AS EXPECTED: {faults}")

    def close(self):
        """Prints the sum; returns the exit status. A table without rows proves nothing."""
        print(f"{self.rows} cells, {self.failures} not as expected")
        return 0 if self.rows > 0 and self.failures == 0 else 1

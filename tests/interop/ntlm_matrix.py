#!/usr/bin/env python3
"""Every client of NTLM there is signs on to usherd, with the right password and with a wrong one.

usage: ntlm_matrix.py --usherd USHERD --programs FOLDER --fetched FOLDER [--without CLIENT]...

The first FOLDER has the programs that are made of ntlm_clients/*.cc; the second keeps, from run to
run, what ntlm_clients/fetched.py gets from elsewhere. One row for each cell. What counts is what
usherd wrote: to its log, and to the client.
"""

import argparse
import dataclasses
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

from matrix import Table
from ntlm_clients import commands, fetched, tokens
from usherd import Usherd

DOMAIN, USER, PASSWORD = "EXAMPLE", "alice", "Al1ce-Passw0rd"
WRONG_PASSWORD = "Al1ce-Passw0rt"
WRONG = "wrong password"
V1_REFUSED = "policy ntlm.v1"

# python3-requests-ntlm's MD4 is in OpenSSL's legacy provider.
OPENSSL = """openssl_conf = all
[all]
providers = providers
[providers]
default = active
legacy = active
[active]
activate = 1
"""

# Nobody is to look for a KDC.
KRB5 = """[libdefaults]
  default_realm = EXAMPLE.INVALID
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
"""


@dataclasses.dataclass
class Form:
    """What a client may send: under which scheme, wrapped or not, which response."""

    scheme: str
    wrapping: str = "raw"
    response: str = "NTLMv2"  # "+ESS" is NTLMv1 with extended session security.
    options: tuple[str, ...] = ()
    asked: str = ""  # What sets it apart, if nothing above does.


def no_environment(_):
    return {}


@dataclasses.dataclass
class Client:
    name: str
    ask: Callable
    needs: dict[str, str]  # By package: a command that succeeds if it is installed.
    forms: tuple[Form, ...]
    fetch: Callable = no_environment  # Gets the rest; returns what to add to the environment.


@dataclasses.dataclass
class Call:
    """What a client is asked to do."""

    url: str
    password: str
    form: Form
    programs: str
    scratch: str
    environment: dict[str, str]
    domain: str = DOMAIN
    user: str = USER
    name: str = f"{DOMAIN}\\{USER}"


def program(name):
    return f'test -x "$PROGRAMS/{name}"'


NODE = {"nodejs": "command -v node", "npm": "command -v npm"}
RAW_AND_SPNEGO = (Form("NTLM"), Form("Negotiate"), Form("Negotiate", "spnego"))
V1_OF_SAMBA = "--option=client ntlmv2 auth = no"
SAMBA_RAW = "--helper-protocol=ntlmssp-client-1"
SAMBA_SPNEGO = "--helper-protocol=gss-spnego-client"

CLIENTS = (
    Client("curl", commands.ask_curl, {"curl": "command -v curl"}, (Form("NTLM"),)),
    Client("curl-gss", commands.ask_curl_negotiate,
           {"curl": "command -v curl"}, (Form("Negotiate", "spnego"),), fetched.gss_ntlmssp),
    Client("chromium", commands.ask_chromium, {"chromium": "command -v chromium"}, (Form("NTLM"),)),
    Client("chromium-gss", commands.ask_chromium,
           {"chromium": "command -v chromium"}, (Form("Negotiate", "spnego"),),
           fetched.gss_ntlmssp),
    Client("wget", commands.ask_wget, {"wget": "command -v wget"},
           (Form("NTLM", response="NTLMv1"),)),
    Client("neon", commands.ask_neon, {"libneon27-dev": program("ntlm_neon")},
           (Form("NTLM", response="NTLMv1"),)),
    Client("lwp", commands.ask_lwp,
           {"libwww-perl": "perl -MLWP::UserAgent -e1",
            "libauthen-ntlm-perl": "perl -MAuthen::NTLM -e1"},
           (Form("NTLM", response="NTLMv1"),)),
    Client("java", commands.ask_java, {"default-jdk-headless": "command -v javac"},
           (Form("NTLM"),
            Form("NTLM", response="NTLMv1+ESS", options=("-Dntlm.version=NTLM2",)),
            Form("NTLM", response="NTLMv1", options=("-Dntlm.version=LM/NTLM",)))),
    Client("requests", commands.ask_requests,
           {"python3-requests-ntlm": "/usr/bin/python3 -c 'import requests_ntlm'"},
           (Form("NTLM"),)),
    # Both send usherd NTLMv2 alone, with a time of their own although the CHALLENGE has one, LMv2
    # beside it, and no MIC. axios-ntlm offers OEM characters alone and writes its names behind the
    # responses; its NEGOTIATE has a domain and a workstation without the flags that say so. Not
    # told a domain, it takes that of the CHALLENGE.
    Client("axios-ntlm", commands.ask_axios, NODE,
           (Form("NTLM", options=("domain",)), Form("NTLM", asked="no domain")),
           fetched.npm_packages),
    # httpntlm sends its NEGOTIATE unasked, and an AUTHENTICATE whose flags are always the same but
    # for Unicode, whatever the CHALLENGE has.
    Client("httpntlm", commands.ask_httpntlm, NODE, (Form("NTLM"),), fetched.npm_packages),
    Client("gss-ntlmssp", tokens.ask_gss, {}, RAW_AND_SPNEGO, fetched.gss_ntlmssp),
    Client("heimdal", tokens.ask_heimdal,
           {"heimdal-multidev": program("ntlm_gss_heimdal")},
           tuple(dataclasses.replace(form, response="NTLMv1+ESS") for form in RAW_AND_SPNEGO)),
    Client("ntlm_auth", tokens.ask_ntlm_auth, {"winbind": "command -v ntlm_auth"},
           (Form("NTLM", options=(SAMBA_RAW,)),
            Form("Negotiate", options=(SAMBA_RAW,)),
            Form("Negotiate", "spnego", options=(SAMBA_SPNEGO,)),
            Form("NTLM", response="NTLMv1+ESS", options=(SAMBA_RAW, V1_OF_SAMBA)),
            Form("Negotiate", "spnego", "NTLMv1+ESS", options=(SAMBA_SPNEGO, V1_OF_SAMBA)))),
    Client("winpr", tokens.ask_winpr, {"libwinpr2-dev": program("ntlm_winpr2")},
           # Without Kerberos, which Debian's does not have, its Negotiate is raw NTLM.
           (Form("NTLM", options=("NTLM",)), Form("Negotiate", options=("Negotiate",)))),
)


class Matrix:
    def __init__(self, programs, added, scratch, strict, lax):
        self.programs = programs
        self.added = added  # By client: what its environment has besides.
        self.scratch = scratch
        self.strict = strict
        self.lax = lax
        self.table = Table(("CLIENT", 12), ("SCHEME", 9), ("FORM", 6), ("RESPONSE", 10),
                           ("ASKED", 37), ("EXPECTED", 29))

    def environment(self, client, password):
        """What a client needs that is not told its name and password, and no ticket. What their
        libraries leak is not looked at under sanitizers."""
        user_file = f"{self.scratch}/{password}"
        with open(user_file, "w", encoding="utf-8") as file:
            file.write(f"{DOMAIN}:{USER}:{password}\n")
        return {**os.environ, **self.added[client.name], "NTLM_USER_FILE": user_file,
                "ASAN_OPTIONS": "detect_leaks=0",
                "OPENSSL_CONF": f"{self.scratch}/openssl.cnf",
                "KRB5_CONFIG": f"{self.scratch}/krb5.conf",
                "KRB5CCNAME": f"FILE:{self.scratch}/no-ticket"}

    def row(self, client, form, usherd, *, password=PASSWORD, refused=""):
        """Asks once; `refused` is a part of the reason."""
        call = Call(f"http://127.0.0.1:{usherd.port}/auth", password, form, self.programs,
                    self.scratch, self.environment(client, password))
        try:
            said = client.ask(call)
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            said = str(error)
        logged = usherd.verdicts()
        if refused:
            start = f"refused scheme={form.scheme} http="
            good = logged and all(start in line and refused in line for line in logged)
            expected = ("401", "403")
        else:
            end = f"signed on mech=NTLM client={call.name}"
            good = len(logged) == 1 and logged[0].endswith(end)
            expected = (f"200 {call.name}",)
        faults = [] if good else [f"{len(logged)} lines logged"]
        # Chromium says nothing. A client's own words may follow a refusal.
        faults += [] if said == "" or said.split(",")[0] in expected else [said]
        asked = [form.asked] * bool(form.asked)
        asked += ["ntlm.v1=allow"] * (usherd is self.lax)
        asked += ["wrong password"] * (password != PASSWORD)
        verdict = logged[-1].split(" ", 2)[-1] if logged else "nothing"
        self.table.row([client.name, form.scheme, form.wrapping, form.response, ", ".join(asked),
                        refused or "signed on"], verdict, faults)

    def rows(self, client):
        for form in client.forms:
            usherd = self.strict
            if form.response != "NTLMv2":
                self.row(client, form, self.strict, refused=V1_REFUSED)
                usherd = self.lax
            self.row(client, form, usherd)
            self.row(client, form, usherd, password=WRONG_PASSWORD, refused=WRONG)

    def close(self):
        return self.table.close()


def missing(client, programs):
    """Returns the packages that a client wants and that are not installed."""
    environment = {**os.environ, "PROGRAMS": programs}
    return [package for package, command in client.needs.items()
            if subprocess.run(["sh", "-c", command], env=environment, capture_output=True,
                              check=False).returncode != 0]


def runnable(arguments):
    """Returns, by the name of each client that can run, what to add to its environment."""
    @functools.cache  # A failure is not tried again for the next client.
    def fetch(how):
        try:
            return how(arguments.fetched), ""
        except fetched.NotThere as reason:
            return None, reason

    added = {}
    for client in CLIENTS:
        packages = missing(client, arguments.programs)
        if packages:
            print(f"left out: {client.name}, package {packages[0]} is missing")
        elif client.name not in arguments.without:
            environment, reason = fetch(client.fetch)
            if environment is None:
                print(f"left out: {client.name}, {reason}")
            else:
                added[client.name] = environment
    return added


def kinds(names):
    """The GSS-API makes no other client of one."""
    return len({name.removesuffix("-gss") for name in names})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--usherd", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--fetched", required=True)
    parser.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args()
    os.umask(0o077)  # usherd reads no accounts that others can.
    added = runnable(arguments)
    if not added:
        print("skipped: no client is installed")
        return 77
    with tempfile.TemporaryDirectory() as scratch:
        files = {"accounts": f"{DOMAIN}:{USER}:{PASSWORD}\n", "openssl.cnf": OPENSSL,
                 "krb5.conf": KRB5}
        for name, text in files.items():
            with open(f"{scratch}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        # LWP and Heimdal take the domain of the CHALLENGE for the user's.
        settings = {"accounts": f"{scratch}/accounts", "ntlm.netbios_domain": DOMAIN}
        with (Usherd(arguments.usherd, scratch, "strict", settings, {}) as strict,
              Usherd(arguments.usherd, scratch, "lax", settings, {"ntlm.v1": "allow"}) as lax):
            matrix = Matrix(arguments.programs, added, scratch, strict, lax)
            for client in CLIENTS:
                if client.name in added:
                    matrix.rows(client)
            print(f"{kinds(added)} of {kinds(client.name for client in CLIENTS)} clients")
            return matrix.close()


if __name__ == "__main__":
    sys.exit(main())

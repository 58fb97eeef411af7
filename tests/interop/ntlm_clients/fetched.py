"""Clients that are fetched when they are first wanted, into a folder that keeps them.

What fetches them is the system's own npm and apt-get; nothing is installed.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
TIMEOUT_S = 45
NPM_FILES = ("package.json", "package-lock.json")
NTLM_OID = "1.3.6.1.4.1.311.2.2.10"


class NotThere(Exception):
    """Says what is missing."""


def run(*command, folder):
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                              timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotThere(str(error)) from error
    if done.returncode != 0:
        raise NotThere(f"{command[0]}: {' '.join(done.stderr.split())[:200]}")
    return done.stdout


def kept(folder, name, fill):
    """Returns the folder `name`, which `fill` has filled, now or when it was first asked for."""
    place = pathlib.Path(folder, name).resolve()
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
            made = pathlib.Path(scratch, "made")
            made.mkdir()
            fill(made)
            try:
                made.rename(place)
            except OSError:
                if not place.exists():  # Else another run has been quicker.
                    raise
    return place


def npm_packages(folder):
    """Returns the environment in which node finds what package-lock.json names."""
    def fill(place):
        for name in NPM_FILES:
            shutil.copy(HERE / name, place)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
            "--fetch-retries=1", "--fetch-retry-mintimeout=1000", folder=place)

    lock = b"".join((HERE / name).read_bytes() for name in NPM_FILES)
    place = kept(folder, f"npm-{hashlib.sha256(lock).hexdigest()[:16]}", fill)
    return {"NODE_PATH": f"{place}/node_modules"}


def system_has_gss_ntlmssp():
    files = [*pathlib.Path("/etc/gss/mech.d").glob("*.conf"),
             pathlib.Path(os.environ.get("GSS_MECH_CONFIG", ""))]
    return any(file.is_file() and "gssntlmssp" in file.read_text(encoding="utf-8")
               for file in files)


def gss_ntlmssp(folder):
    """Returns the environment in which MIT's library has gss-ntlmssp. Installed, it would offer
    NTLM to every program with that library, also to those that are tested for Kerberos alone."""
    if system_has_gss_ntlmssp():
        return {}

    def fill(place):
        run("apt-get", "-q", "download", "gss-ntlmssp", folder=place)
        package, = place.glob("*.deb")
        run("dpkg", "-x", package.name, ".", folder=place)
        package.unlink()

    place = kept(folder, "gss-ntlmssp", fill)
    library, = place.glob("usr/lib/*/gssntlmssp/gssntlmssp.so")
    wanted = [line.split()[0] for line in run("ldd", str(library), folder=place).splitlines()
              if line.endswith("not found")]
    if wanted:
        raise NotThere(f"gss-ntlmssp wants {wanted[0]}")
    config = place / "mech.conf"
    config.write_text(f"gssntlmssp_v1 {NTLM_OID} {library}\n", encoding="utf-8")
    return {"GSS_MECH_CONFIG": str(config)}

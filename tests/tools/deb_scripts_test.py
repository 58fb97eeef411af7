#!/usr/bin/env python3
"""What the maintainer scripts of the package usher do, called as dpkg calls them.

usage: deb_scripts_test.py

They run in a folder that stands for / where they look, with stubs for what would change the machine.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

DEB = pathlib.Path(__file__).resolve().parent.parent.parent / "tools" / "deb"
WANTS = "etc/systemd/system/multi-user.target.wants/usherd.service"
UNIT = "lib/usherd.service"
# deb-systemd-invoke of Debian 12 wants an action and a unit, whatever the action.
STAND_IN = """#!/bin/sh
echo "${0##*/} $*" >> "$ROOT/calls"
[ "${0##*/}" != deb-systemd-invoke ] || [ $# -ge 2 ] || exit 1
case " $FAILING " in *" ${0##*/} "*) exit 1;; esac
"""
STAND_INS = ["deb-systemd-helper", "deb-systemd-invoke", "systemctl", "systemd-sysusers"]
SYSTEM = ("deb-systemd-invoke", "systemctl")
RELOAD = "systemctl --system daemon-reload"
RESTART = "deb-systemd-invoke try-restart usherd.service"
START = "deb-systemd-invoke start usherd.service"
STOP = "deb-systemd-invoke stop usherd.service"
PURGE = "deb-systemd-helper purge usherd.service"
USER = "systemd-sysusers usherd.conf"

# Script, its arguments, and what it calls where systemd runs and where it does not (Debian Policy 6.5).
CASES = [
    ("postinst", ["configure", ""], [USER], [USER]),
    ("postinst", ["configure", "0.0.9-1"], [USER, RELOAD, RESTART], [USER]),
    ("postinst", ["abort-upgrade", "0.2"], [], []),
    ("postinst", ["abort-remove"], [START], []),
    ("postinst", ["abort-remove", "in-favour", "other", "1"], [START], []),
    ("postinst", ["abort-deconfigure", "in-favour", "other", "1"], [], []),
    ("postinst", ["triggered", "x"], [], []),
    ("prerm", ["remove"], [STOP], []),
    ("prerm", ["remove", "in-favour", "other", "1"], [STOP], []),
    ("prerm", ["upgrade", "0.2"], [], []),
    ("prerm", ["deconfigure", "in-favour", "other", "1"], [], []),
    ("prerm", ["failed-upgrade", "0.0.9"], [], []),
    ("postrm", ["remove"], [RELOAD], []),
    ("postrm", ["purge"], [PURGE], [PURGE]),
    ("postrm", ["upgrade", "0.2"], [], []),
    ("postrm", ["failed-upgrade", "0.0.9"], [], []),
    ("postrm", ["abort-install"], [], []),
    ("postrm", ["abort-upgrade", "0.0.9"], [], []),
    ("postrm", ["disappear", "other", "1"], [], []),
]
failures = []


def expect(name, got, wanted):
    if got != wanted:
        failures.append(f"{name}: {got}, wanted {wanted}")


class Machine:
    """A folder with the few files that the scripts look at."""

    def __init__(self, folder, systemd=True, failing=(), without=()):
        self.root = pathlib.Path(folder)
        self.failing = failing
        for name in set(STAND_INS) - set(without):
            self.write(f"bin/{name}", STAND_IN).chmod(0o755)
        (self.root / "bin/rm").symlink_to(shutil.which("rm"))
        if systemd:
            (self.root / "run/systemd/system").mkdir(parents=True)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def enable(self):
        (self.root / WANTS).parent.mkdir(parents=True)
        (self.root / WANTS).symlink_to(self.root / UNIT)

    def run(self, script, arguments):
        """Returns the exit status and what was called."""
        text = (DEB / script).read_text()
        for there in ("/run/systemd/", "/etc/systemd/"):
            text = text.replace(there, f"{self.root}{there}")
        copy = self.write(script, text)
        done = subprocess.run(["/bin/sh", str(copy), *arguments], check=False, cwd=self.root,
                              env={"PATH": f"{self.root}/bin", "ROOT": str(self.root),
                                   "FAILING": " ".join(self.failing)})
        calls = self.root / "calls"
        return done.returncode, calls.read_text().splitlines() if calls.exists() else []


def check_script(script):
    path = DEB / script
    expect(f"{script}: sh -n", subprocess.run(["/bin/sh", "-n", str(path)], check=False).returncode, 0)
    expect(f"{script}: begins", path.read_text().splitlines()[0], "#!/bin/sh")
    expect(f"{script}: may be executed", os.access(path, os.X_OK), True)


def check_calls(script, arguments, with_systemd, without_systemd):
    name = " ".join([script, *arguments])
    for systemd, failing, wanted in ((True, (), with_systemd), (True, SYSTEM, with_systemd),
                                     (False, (), without_systemd)):
        with tempfile.TemporaryDirectory() as folder:
            got = Machine(folder, systemd, failing).run(script, arguments)
            # A unit that is masked, say, leaves no package half installed.
            expect(f"{name}, systemd {systemd}, failing {failing}", got, (0, wanted))


def check_purge():
    """The link of an enabled unit goes once it leads nowhere, and not before."""
    for has_unit in (True, False):
        for without in ((), ("deb-systemd-helper",)):
            with tempfile.TemporaryDirectory() as folder:
                machine = Machine(folder, without=without)
                machine.enable()
                if has_unit:
                    machine.write(UNIT, "[Unit]\n")
                name = f"purge, unit {has_unit}, without {without}"
                expect(name, machine.run("postrm", ["purge"]), (0, [] if without else [PURGE]))
                expect(f"{name}: the link", os.path.lexists(machine.root / WANTS), has_unit)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder)
        machine.enable()
        machine.run("postrm", ["remove"])
        expect("remove: the link", os.path.lexists(machine.root / WANTS), True)


def check_failure():
    """Without its user usherd cannot run, and dpkg has to know."""
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(folder, failing=["systemd-sysusers"])
        expect("no user", machine.run("postinst", ["configure", "0.0.9-1"]), (1, [USER]))


def main():
    for script in ("postinst", "prerm", "postrm"):
        check_script(script)
    for case in CASES:
        check_calls(*case)
    check_purge()
    check_failure()
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()

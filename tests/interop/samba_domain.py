"""A throw-away Active Directory domain: Samba as its controller, and a member of it with winbindd.

Everything happens in namespaces of its own: no port, name, file or process outside is touched, and
all that was made is gone with the first process, however it ends. The controller has a network
namespace to itself, so that it can hang, end, or have its cable pulled, alone. Needs root.
"""

import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time

REALM, DOMAIN, NETBIOS = "USHER-AD.TEST", "usher-ad.test", "USHERAD"
CONTROLLER, MEMBER = "10.53.57.1", "10.53.57.2"
WRONG_PASSWORDS_MAX = 10  # So many lock an account.
SCRATCH = "/run/usher-ad"  # On a file system that only these namespaces see.
HERE = pathlib.Path(__file__).resolve().parent
START_S = 60

# Debian's own: others do not find Samba's modules.
PYTHON = "/usr/bin/python3"
NAMESPACES = ("--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
COMMANDS = {"samba": "samba-ad-dc", "unshare": "util-linux", "ip": "iproute2", "kinit": "krb5-user"}
MEMBER_COMMANDS = {"winbindd": "winbind", "ntlm_auth": "winbind", "net": "samba-common-bin",
                   "samba-tool": "samba-common-bin", "smbd": "samba"}

KRB5_CONF = f"""[libdefaults]
  default_realm = {REALM}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  forwardable = true
  udp_preference_limit = 1
[realms]
  {REALM} = {{
    kdc = {CONTROLLER}
  }}
[domain_realm]
  .{DOMAIN} = {REALM}
"""


# The controller has a winbindd too, for the names of its own users. What follows is the command.
OWN_RUN = 'mount -t tmpfs none /run/samba && exec "$0" "$@"'


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def run(*command, **options):
    """Runs a command that must succeed; returns what it says."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command[:3]))}: {done.returncode} {done.stdout[-4000:]}")
    return done.stdout


def wait_until(ready, what, give_up_s=START_S):
    """Waits until `ready` returns something true; fails after `give_up_s`, naming `what`."""
    give_up = time.monotonic() + give_up_s
    while not ready():
        if time.monotonic() > give_up:
            raise RuntimeError(f"{what}: not within {give_up_s} s")
        time.sleep(0.02)


def enter_namespaces(commands=()):
    """Returns in namespaces of its own, where this program is started again; or skips the test."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if sys.argv[1:2] == ["--inside"]:
        del sys.argv[1]
        isolate()
        return
    for command, package in {**COMMANDS, **dict(commands)}.items():
        if shutil.which(command) is None:
            skip(f"the command '{command}' is missing; it is in Debian's package {package}")
    modules = [PYTHON, "-c", "import samba.provision, samba.dckeytab"]
    if subprocess.run(modules, capture_output=True, check=False).returncode != 0:
        skip(f"no {PYTHON} with Samba's modules; they are in Debian's packages python3-samba and "
             "samba-ad-dc")
    if not os.path.exists("/usr/share/samba/setup/provision.ldif"):
        skip("Samba's templates are missing; they are in Debian's package samba-ad-provision")
    if os.geteuid() != 0:
        skip("namespaces with addresses and a host name need root")
    probe = ["unshare", *NAMESPACES, "ip", "link", "add", "name", "dc", "type", "veth"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        skip("no namespaces may be made here")
    # In place of this process: whoever ends it ends the namespaces' first process, and with it all.
    os.execvp("unshare", ["unshare", *NAMESPACES, sys.executable, sys.argv[0], "--inside",
                          *sys.argv[1:]])


def isolate():
    """Makes folders, names and addresses that are only seen in here."""
    for path in ("/run", "/var/lib/samba", "/var/cache/samba", "/var/log/samba"):
        if os.path.isdir(path):
            run("mount", "-t", "tmpfs", "none", path)
    for path in ("/run/samba", "/var/lib/samba/private", SCRATCH):
        os.makedirs(path, exist_ok=True)
    socket.sethostname("member")
    pathlib.Path(f"{SCRATCH}/hosts").write_text(
        f"127.0.0.1 localhost t18.{DOMAIN}\n"
        f"{CONTROLLER} dc.{DOMAIN} dc\n{MEMBER} member.{DOMAIN} member\n", encoding="ascii")
    run("mount", "--bind", f"{SCRATCH}/hosts", "/etc/hosts")
    run("ip", "link", "set", "lo", "up")
    run("ip", "netns", "add", "dc")
    run("ip", "link", "add", "name", "dc", "type", "veth", "peer", "name", "cable", "netns", "dc")
    run("ip", "address", "add", f"{MEMBER}/24", "dev", "dc")
    run("ip", "link", "set", "dc", "up")
    run("ip", "-n", "dc", "link", "set", "lo", "up")
    run("ip", "-n", "dc", "address", "add", f"{CONTROLLER}/24", "dev", "cable")
    run("ip", "-n", "dc", "link", "set", "cable", "up")
    pathlib.Path(f"{SCRATCH}/krb5.conf").write_text(KRB5_CONF, encoding="ascii")
    for name in ("KRB5_KTNAME", "KRB5_CLIENT_KTNAME", "KRB5_TRACE"):
        os.environ.pop(name, None)
    os.environ.update({
        "HOME": SCRATCH, "TMPDIR": SCRATCH,
        "KRB5_CONFIG": f"{SCRATCH}/krb5.conf", "KRB5CCNAME": f"FILE:{SCRATCH}/cache",
        "USHER_INTEROP_KEYTAB": f"{SCRATCH}/services.keytab",
        "USHER_INTEROP_KDC_KEYTAB": f"{SCRATCH}/krbtgt.keytab",
        "USHER_INTEROP_GROUPS": f"{SCRATCH}/groups", "USHER_INTEROP_DOMAIN": DOMAIN})


class Daemon:
    """A process and all that it starts, in sessions of their own."""

    def __init__(self, name, command):
        self.name = name
        self.sessions = set()
        self.log_path = f"{SCRATCH}/{name}.log"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, start_new_session=True)

    def pids(self):
        """Returns those that live: of its sessions, and what they have started, whose sessions are
        its own from then on. Samba's daemons put the others that they start in new ones."""
        self.sessions.add(self.process.pid)
        living = {}
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # It has just ended.
            state, parent, _, session = text.rpartition(")")[2].split()[:4]
            if state != "Z":
                living[int(path.parent.name)] = int(parent), int(session)
        found = set()
        before = -1
        while len(found) > before:
            before = len(found)
            found |= {pid for pid, (parent, session) in living.items()
                      if session in self.sessions or parent in found}
            self.sessions |= {living[pid][1] for pid in found}
        return found

    def send(self, number):
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def hang(self):
        """Stops them all where they are; the kernel goes on to take connections for them."""
        self.send(signal.SIGSTOP)

    def resume(self):
        self.send(signal.SIGCONT)

    def kill(self):
        def gone():
            self.send(signal.SIGKILL)
            return not self.pids()
        wait_until(gone, f"the end of {self.name}", 10)
        self.process.wait()

    def wait_until_it(self, answers):
        """Waits until `answers` returns something true; fails if it ends before."""
        try:
            wait_until(lambda: self.process.poll() is not None or answers(), self.name)
        except RuntimeError as error:
            raise RuntimeError(f"{error}: {self.said()}") from None
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ends: {self.said()}")

    def said(self):
        return pathlib.Path(self.log_path).read_text(encoding="utf-8", errors="replace")[-4000:]


def listens(port):
    with socket.socket() as line:
        line.settimeout(1)
        return line.connect_ex((CONTROLLER, port)) == 0


class Controller:
    """The domain and its controller. Everybody in it has `password`."""

    KERBEROS_ONLY = {"kdc": (88,)}
    ALL = {"kdc": (88, 464), "ldap": (389,), "cldap": (), "rpc": (135,), "s3fs": (445,),
           "winbind": ()}

    def __init__(self, services):
        self.password = f"Al1ce-{secrets.token_urlsafe(15)}"
        self.services = services
        self.daemon = None
        run(PYTHON, HERE / "samba_provision.py", self.password)

    def start(self):
        """Starts it, again too; returns as soon as it answers."""
        self.daemon = Daemon("dc", [
            "ip", "netns", "exec", "dc", "sh", "-c", OWN_RUN, "samba", "-F", "--no-process-group",
            "-M", "single", "-s", f"{SCRATCH}/dc/etc/smb.conf",
            f"--option=server services = {', '.join(self.services)}"])
        self.daemon.wait_until_it(self.answers)

    def answers(self):
        ports = (port for ports in self.services.values() for port in ports)
        # Of its own /run/samba.
        pipe = f"/proc/{self.daemon.process.pid}/root/run/samba/winbindd/pipe"
        return all(map(listens, ports)) and ("winbind" not in self.services or os.path.exists(pipe))

    def sign_on(self, user="alice"):
        """Gets a ticket-granting ticket for this process and its children."""
        run("kinit", f"{user}@{REALM}", input=self.password + "\n")

    def unplug(self):
        """What is sent to it is lost from now on."""
        run("ip", "-n", "dc", "link", "set", "cable", "down")

    def plug(self):
        run("ip", "-n", "dc", "link", "set", "cable", "up")


MEMBER_CONF = f"""[global]
  workgroup = {NETBIOS}
  realm = {REALM}
  netbios name = MEMBER
  security = ads
  password server = dc.{DOMAIN}
  disable netbios = yes
  winbind reconnect delay = 2
  idmap config * : backend = tdb
  idmap config * : range = 100000-199999
  private dir = {SCRATCH}/member/private
  state directory = {SCRATCH}/member/state
  cache directory = {SCRATCH}/member/cache
  lock directory = {SCRATCH}/member/lock
  pid directory = {SCRATCH}/member
  ncalrpc dir = {SCRATCH}/member/ncalrpc
  log file = {SCRATCH}/member/log.%m
"""


class Member:
    """This machine as a member of the domain. Programs find its winbindd where they look for one:
    in /run/samba/winbindd, the only place that libwbclient knows."""

    def __init__(self, controller):
        for folder in ("private", "state", "cache", "lock"):
            os.makedirs(f"{SCRATCH}/member/{folder}")
        self.config = f"{SCRATCH}/member/smb.conf"
        pathlib.Path(self.config).write_text(MEMBER_CONF, encoding="ascii")
        administrator = f"{SCRATCH}/member/administrator"
        pathlib.Path(administrator).write_text(
            f"username = Administrator\npassword = {controller.password}\ndomain = {NETBIOS}\n",
            encoding="ascii")
        run("net", "ads", "join", "-s", self.config, "-A", administrator, "--no-dns-updates",
            "-S", f"dc.{DOMAIN}")
        self.winbindd = None

    def start(self, reached=True):
        """Starts winbindd, again too; returns as soon as it answers and, if it is to be `reached`,
        reaches the controller."""
        self.winbindd = Daemon("winbindd", ["winbindd", "-F", "--no-process-group",
                                            "-s", self.config])
        ping = ["wbinfo", "--ping-dc" if reached else "--ping"]
        self.winbindd.wait_until_it(
            lambda: subprocess.run(ping, capture_output=True, check=False).returncode == 0)

    def judge(self, domain, user, password):
        """Returns what Samba's own client is told of somebody, as the name of an NTSTATUS."""
        command = ["ntlm_auth", f"--configfile={self.config}", f"--domain={domain}",
                   f"--username={user}", f"--password={password}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return "NT_STATUS_OK"
        return done.stdout.partition(":")[0] or done.stderr.strip()

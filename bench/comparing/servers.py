"""Servers that a load signs on to: each on a free loopback port, on one processor, with files of its
own, ended by its process id."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from .programs import Failure, SERVER_CPU, pinned

START_S = 15
STOP_S = 10
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
APACHE_MODULES = pathlib.Path("/usr/lib/apache2/modules")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def descendants(pid):
    """Returns a process and all that come from it."""
    found = [pid]
    for parent in found:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text(encoding="ascii").split()]
            except OSError:
                continue  # It has ended meanwhile.
    return found


def cpu_seconds(pid):
    """Returns what a process and its descendants have used, in user and system mode. From the
    scheduler's own count where there is one, which is finer than clock ticks."""
    total = 0.0
    for each in descendants(pid):
        try:
            threads = list(pathlib.Path(f"/proc/{each}/task").iterdir())
            total += sum(int((thread / "schedstat").read_text(encoding="ascii").split()[0])
                         for thread in threads) / 1e9
        except OSError:
            try:
                stat = pathlib.Path(f"/proc/{each}/stat").read_text(encoding="ascii")
                fields = stat.rsplit(")", 1)[1].split()
                total += (int(fields[11]) + int(fields[12])) / CLOCK_TICKS
            except OSError:
                continue
    return total


class Server:
    """One server for the length of a `with`."""

    name = ""
    path = "/"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.port = 0

    def command(self):
        """Writes what the server reads and returns its command."""
        raise NotImplementedError

    def environment(self):
        return dict(os.environ)

    def log(self):
        file = self.folder / "log"
        return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""

    def is_up(self):
        """Whether it listens; finds self.port if the server has chosen it."""
        prefix = "listening on tcp 127.0.0.1:"
        if not self.port:
            lines = [line for line in self.log().splitlines() if line.startswith(prefix)]
            if not lines:
                return False
            self.port = int(lines[0].removeprefix(prefix))
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self):
        command = [*pinned(SERVER_CPU), *map(str, self.command())]
        with open(self.folder / "log", "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            env=self.environment())
        give_up = time.monotonic() + START_S
        while time.monotonic() < give_up and self.process.poll() is None:
            if self.is_up():
                return self
            time.sleep(0.02)
        self.stop()
        raise Failure(f"{self.name} does not start: {self.log()[-800:]}")

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)


class Usherd(Server):
    name = "usherd"
    path = "/auth"

    def __init__(self, folder, program, keytab):
        super().__init__(folder)
        self.program, self.keytab = program, keytab

    def command(self):
        config = self.folder / "usherd.toml"
        config.write_text('listen.tcp = ["127.0.0.1:0"]\n'
                          f'keytab = "{self.keytab}"\nlog_level = "warn"\n'
                          "workers = 1\nreplay_entries = 33554432\n", encoding="utf-8")
        return [self.program, "--config", config]


class BareHttp(Server):
    """An answer of so many bytes to any request, with nothing behind it."""
    name = "bare HTTP"

    def __init__(self, folder, program, answer_bytes):
        super().__init__(folder)
        self.program, self.answer_bytes = program, answer_bytes

    def command(self):
        return [self.program, self.answer_bytes]


APACHE = """
ServerRoot "{folder}"
PidFile "{folder}/pid"
ErrorLog "{folder}/error.log"
LogLevel error
Listen 127.0.0.1:{port}
ServerName localhost
{user}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule authz_user_module {modules}/mod_authz_user.so
LoadModule auth_gssapi_module {modules}/mod_auth_gssapi.so
StartServers 1
ServerLimit 1
ThreadLimit 32
ThreadsPerChild 32
MinSpareThreads 32
MaxSpareThreads 32
MaxRequestWorkers 32
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
LimitRequestFieldSize 65536
DocumentRoot "{folder}/root"
<Location "/">
  AuthType GSSAPI
  AuthName "bench"
  GssapiCredStore keytab:{keytab}
  Require valid-user
</Location>
"""


def child_user(folder, keytab, end=""):
    """As root, servers give their children to somebody else, who has to read what they are given:
    returns the line that says to whom, and opens the files of this run to them."""
    if os.geteuid() != 0:
        return ""
    for path in (folder.parent, folder, folder / "root"):
        path.chmod(0o755)
    folder.chmod(0o777)  # The replay cache is theirs.
    pathlib.Path(keytab).chmod(0o644)  # Of a key that was made for this run.
    return f"user www-data{end}" if end else "User www-data\nGroup www-data"


class Apache(Server):
    """Apache with mod_auth_gssapi: one process of as many threads as there are connections."""
    name = "Apache mod_auth_gssapi"
    path = "/answer"

    def __init__(self, folder, keytab):
        super().__init__(folder)
        self.keytab = keytab

    @staticmethod
    def missing():
        """Returns what is not installed, or nothing."""
        if not shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin"):
            return "package apache2 is not installed"
        if not (APACHE_MODULES / "mod_auth_gssapi.so").exists():
            return "package libapache2-mod-auth-gssapi is not installed"
        return ""

    def command(self):
        self.port = free_port()
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        (root / "answer").write_text("ok\n", encoding="ascii")
        config = self.folder / "apache.conf"
        config.write_text(APACHE.format(folder=self.folder, port=self.port, keytab=self.keytab,
                                        modules=APACHE_MODULES,
                                        user=child_user(self.folder, self.keytab)), encoding="utf-8")
        program = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin")
        return [program, "-d", self.folder, "-f", config, "-D", "FOREGROUND"]

    def environment(self):
        # Its replay cache is on, as MIT's is unless somebody turns it off.
        return {**os.environ, "KRB5_CONFIG": "/dev/null", "KRB5RCACHEDIR": str(self.folder)}

    def log(self):
        errors = self.folder / "error.log"
        return super().log() + (errors.read_text(encoding="utf-8") if errors.exists() else "")


NGINX = """
{user}
load_module {module};
daemon off;
pid {folder}/pid;
error_log {folder}/error.log error;
worker_processes 1;
env KRB5_CONFIG;
env KRB5RCACHEDIR;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  keepalive_requests 100000000;
  large_client_header_buffers 4 64k;
  server {{
    listen 127.0.0.1:{port};
    root {folder}/root;
    location / {{
      auth_gss on;
      auth_gss_realm EXAMPLE.TEST;
      auth_gss_keytab {keytab};
      auth_gss_service_name HTTP/localhost;
      auth_gss_allow_basic_fallback off;
    }}
  }}
}}
"""


class Nginx(Server):
    """nginx with the SPNEGO module (ngx_http_auth_spnego_module), one worker."""
    name = "nginx SPNEGO module"
    path = "/answer"

    def __init__(self, folder, keytab):
        super().__init__(folder)
        self.keytab = keytab

    @staticmethod
    def program():
        return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

    @staticmethod
    def module():
        places = [pathlib.Path("/usr/lib/nginx/modules"), pathlib.Path("/usr/share/nginx/modules")]
        return next((path for place in places if place.exists()
                     for path in place.glob("*auth_spnego*.so")), None)

    @classmethod
    def missing(cls):
        if cls.program() is None:
            return "nginx is not installed"
        if cls.module() is None:
            return "nginx has no SPNEGO module here (Debian has none)"
        return ""

    def command(self):
        self.port = free_port()
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        (root / "answer").write_text("ok\n", encoding="ascii")
        config = self.folder / "nginx.conf"
        config.write_text(NGINX.format(folder=self.folder, port=self.port, keytab=self.keytab,
                                       module=self.module(), user=child_user(self.folder,
                                                                             self.keytab, ";")),
                          encoding="utf-8")
        return [self.program(), "-c", config, "-p", self.folder]

    def environment(self):
        return {**os.environ, "KRB5_CONFIG": "/dev/null", "KRB5RCACHEDIR": str(self.folder)}

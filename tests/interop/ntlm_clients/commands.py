"""Clients that are commands of their own, or small programs around an HTTP library.

Each returns the status of usherd's last answer and, if there is one, X-Auth-User.
"""

import os
import pathlib
import subprocess
import tempfile
import urllib.parse

from http_matrix import CHROMIUM, meet_negotiate

HERE = pathlib.Path(__file__).parent
TIMEOUT_S = 30


def run(command, environment):
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False,
                          timeout=TIMEOUT_S)


def run_small(command, call):
    """Runs one of the small programs here: they print what is to be returned."""
    done = run(command, call.environment)
    return done.stdout.strip() or f"{command[0]}: {done.returncode} {done.stderr.strip()}"


def last_answer(heads):
    """Returns the same for heads of answers, as curl and wget print them."""
    said = ""
    for line in heads.splitlines():
        words = line.split()
        if words[:1] and words[0].startswith("HTTP/"):
            said = words[1]
        elif words[:1] and words[0].lower() == "x-auth-user:":
            said += f" {words[1]}"
    return said or heads


def curl(call, *options):
    return last_answer(run(["curl", "-q", "-s", "-S", "--noproxy", "*", "-D", "-", "-o", os.devnull,
                            *options, call.url], call.environment).stdout)


def ask_curl(call):
    return curl(call, "--ntlm", "-u", f"{call.name}:{call.password}")


def ask_curl_negotiate(call):
    return curl(call, "--negotiate", "-u", ":")


def ask_wget(call):
    done = run(["wget", "--no-config", "--no-proxy", "-q", "-S", "-O", os.devnull, "--tries=1",
                f"--user={call.name}", f"--password={call.password}", call.url], call.environment)
    return last_answer(done.stderr).replace("\\\\", "\\")  # As it escapes them.


def ask_neon(call):
    place = urllib.parse.urlsplit(call.url)
    return run_small([f"{call.programs}/ntlm_neon", str(place.port), place.path, call.name,
                      call.password], call)


def ask_lwp(call):
    return run_small(["perl", HERE / "lwp.pl", call.url, call.name, call.password], call)


def ask_requests(call):
    return run_small(["/usr/bin/python3", HERE / "with_requests.py", call.url, call.name,
                      call.password], call)


def ask_axios(call):
    """Of the domain it is told whether the form has an option "domain"."""
    domain = [call.domain] * ("domain" in call.form.options)
    return run_small(["node", HERE / "axios_ntlm.js", call.url, call.user, call.password, *domain],
                     call)


def ask_httpntlm(call):
    return run_small(["node", HERE / "httpntlm.js", call.url, call.user, call.password,
                      call.domain], call)


def ask_java(call):
    return run_small(["java", "-Dhttp.auth.preference=NTLM", *call.form.options, HERE / "Http.java",
                      call.url, call.name, call.password], call)


def ask_chromium(call):
    """It does not say; usherd does. It has the GSS-API, which finds name and password in a file, or
    does NTLM itself, with those in the URL: one of both, or it tries first one and then the other."""
    place = urllib.parse.urlsplit(call.url)
    with tempfile.TemporaryDirectory(dir=call.scratch) as profile:
        environment = {**call.environment, "HOME": profile}
        who = ""
        if call.form.scheme == "Negotiate":
            meet_negotiate(profile)
        else:
            del environment["NTLM_USER_FILE"]
            name, password = (urllib.parse.quote(text) for text in (call.name, call.password))
            who = f"{name}:{password}@"
        run([*CHROMIUM, f"--user-data-dir={profile}", "--dump-dom",
             f"http://{who}t.localhost:{place.port}{place.path}"], environment)
    return ""

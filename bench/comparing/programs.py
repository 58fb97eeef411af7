"""Runs programs: builds them, pins them, reads what they print."""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

from .marks import Absent

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGETS = ["accept_time", "accept_count", "accept_calls", "bare_crypto_bench", "bare_http",
           "contexts_bench", "keytab_bench", "replay_bench", "slots_bench", "ntlm_bench", "load",
           "usherd"]
OPTIONAL_TARGETS = ["accept_time_heimdal", "async_time"]  # Where what they need is there.
RUN_S = 540
SERVER_CPU, CLIENT_CPU = 0, min(1, (os.cpu_count() or 1) - 1)


class Failure(Exception):
    """Something that should have worked did not."""


def note(text):
    """Says what is being done, to whoever watches."""
    print(text, file=sys.stderr, flush=True)


def build():
    """Builds the release preset's programs and returns the build folder."""
    note("building the release preset")
    folder = ROOT / "build" / "release"
    call(["cmake", "--preset", "release"], cwd=ROOT)
    known = call(["cmake", "--build", str(folder), "--target", "help"], cwd=ROOT)
    wanted = TARGETS + [name for name in OPTIONAL_TARGETS if re.search(rf"^{name}:", known, re.M)]
    call(["cmake", "--build", str(folder), "--target", *wanted], cwd=ROOT, timeout=None)
    return folder


def call(command, timeout=RUN_S, **more):
    """Runs a command to its end and returns what it printed; Failure if it fails."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout, check=False, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{pathlib.Path(command[0]).name}: {error}") from error
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit {done.returncode}: "
                      f"{(done.stderr or done.stdout)[-800:]}")
    return done.stdout


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def pinned(cpu):
    """Returns the prefix of a command that is to run on one processor."""
    return ["taskset", "-c", str(cpu)] if shutil.which("taskset") else []


class Build:
    """The programs of one build folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()

    def path(self, name):
        for place in ("bench", "tools"):
            path = self.folder / place / name
            if path.is_file():
                return path
        return None

    def run(self, name, *arguments, cpu=CLIENT_CPU):
        """Runs a program on one processor (None: on all) and returns what it printed."""
        path = self.path(name)
        if path is None:
            raise Failure(f"{name} is not built")
        return call([*([] if cpu is None else pinned(cpu)), path, *arguments])

    def json(self, name, *arguments, cpu=CLIENT_CPU):
        return last_json(self.run(name, *arguments, cpu=cpu))

    def benchmarks(self, name, pattern, seconds, more=(), environment=None):
        """Returns rows of a Google Benchmark program, by name; of repetitions the shortest."""
        path = self.path(name)
        if path is None:
            raise Failure(f"{name} is not built")
        text = call([*pinned(CLIENT_CPU), path, f"--benchmark_filter={pattern}",
                     f"--benchmark_min_time={seconds}", "--benchmark_format=json", *more],
                    env=environment)
        rows = {}
        for row in json.loads(text[text.index("{"):])["benchmarks"]:
            if row.get("error_occurred"):
                raise Failure(f"{row['name']}: {row['error_message']}")
            name = row["run_name"]
            if row["run_type"] == "iteration" and (
                    name not in rows or row["real_time"] < rows[name]["real_time"]):
                rows[name] = row
        return rows

    def instructions(self, who, count, batch=1):
        """Returns callgrind's instructions of one accept."""
        if not shutil.which("valgrind"):
            return Absent("valgrind is missing")
        with tempfile.TemporaryDirectory() as scratch:
            done = subprocess.run(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch}/out",
                 f"--toggle-collect=accept_with_{who}", self.path("accept_count"), who, str(count),
                 *([str(batch)] if batch != 1 else [])],
                capture_output=True, text=True, check=False, timeout=RUN_S)
        collected = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not collected or int(collected[1]) == 0:
            raise Failure(f"accept_count {who} under valgrind: {done.stderr[-800:]}")
        return int(collected[1]) / count

    def instructions_here(self, count, batch):
        """Returns the instructions of one of Usher's accepts on this CPU, which are stepped through."""
        if self.path("accept_count") is None:
            return Absent("accept_count is not built")
        try:
            return int(self.run("accept_count", "usher-here", count, batch).split()[-1]) / count
        except Failure as failure:  # Only in the report: no reason to end a run.
            return Absent(str(failure))


class Samples:
    """What each of several contestants needed, round by round."""

    def __init__(self):
        self.values = {}

    def add(self, who, value):
        self.values.setdefault(who, []).append(value)

    def __contains__(self, who):
        return who in self.values

    def median(self, who):
        return statistics.median(self.values[who])

    def ratio(self, over, under):
        """Returns the median of the rounds' own ratios: both were measured within one round."""
        pairs = zip(self.values[over], self.values[under])
        return statistics.median(a / b for a, b in pairs)

    def facts(self, unit):
        """Returns medians and spreads, for the report."""
        return {who: {"median": statistics.median(values), "least": min(values),
                      "most": max(values), "rounds": len(values), "unit": unit}
                for who, values in self.values.items()}


def in_turn(rounds, contestants, samples):
    """A B A B: `contestants` are (name, function) pairs; each round asks every one once."""
    for number in range(rounds):
        order = contestants if number % 2 == 0 else list(reversed(contestants))
        for who, measure in order:
            samples.add(who, measure())

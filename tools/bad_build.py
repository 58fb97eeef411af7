#!/usr/bin/env python3
"""Judges a folder of fuzz targets as OSS-Fuzz's bad-build check does, and more strictly.

    tools/bad_build.py OUT --sanitizer address --engine libfuzzer

OUT is moved first, so that nothing may depend on where it was built. Every program in it that is a
fuzz target must start, be instrumented, by the right sanitizer and no other, bring its seeds, digest
them without a crash, and load nothing but the C library from outside OUT; it runs from the root
folder, without an environment. Upstream lets a tenth of the targets fail, does not fail one for having
few edges, and does not try the seeds. Exit 0 only if there are targets and all of them pass.
tests/tools/bad_build_test.py plants bad builds.
"""

import argparse
import collections
import concurrent.futures
import configparser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

ENTRY = b"LLVMFuzzerTestOneInput"
# Upstream has this rule for libFuzzer. AFL++ counts fewer: it optimises before it instruments.
EDGES_MIN = {"libfuzzer": 100, "afl": 50}
MACHINES = {"x86_64": 62}  # ELF's e_machine.
# The C library's own, and what it needs: what any system has that can run the program at all.
SYSTEM = re.compile(r"^(linux-vdso|linux-gate|ld-linux[\w-]*|lib(c|m|dl|pthread|rt|resolv|util|anl))\.so")
# Sanitizer -> how many calls of each runtime a program built with it has: at least, at most.
CALLS = {
    "address": {"asan": (1000, None), "msan": (0, 3), "ubsan": (0, 200), "dfsan": (0, 0)},
    "memory": {"asan": (0, 0), "msan": (1000, None), "ubsan": (0, 200), "dfsan": (0, 0)},
    "undefined": {"asan": (0, 0), "msan": (0, 3), "ubsan": (168, None), "dfsan": (0, 0)},
}
CALL = re.compile(r"\bcallq?\s+[0-9a-f]+ <__(asan|msan|ubsan|dfsan)")
# Most of those calls are the runtimes' own: a program of which no line is instrumented has 5,874 of
# __asan. So the functions of this project are also counted by themselves.
OWN_FUNCTION = re.compile(r"^[0-9a-f]+ <((?:[^(<]* )?usherd?::|LLVMFuzzerTestOneInput)")
OWN_CALLS_MIN = 10
# What the runner sets, and a configuration of Kerberos that is not there.
ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "silence_unsigned_overflow=1:print_stacktrace=1",
    "KRB5_CONFIG": "/nonexistent/krb5.conf",
}
LIBFUZZER_LIMITS = ["-rss_limit_mb=2560", "-timeout=25"]
AFL_SECONDS_MAX = 35
RUN_SECONDS_MAX = 120


class Build:
    """A moved output folder and how it is said to have been built."""

    def __init__(self, folder, sanitizer, engine, architecture="x86_64"):
        self.folder = folder
        self.sanitizer = sanitizer
        self.engine = engine
        self.architecture = architecture

    def targets(self):
        return sorted(path for path in self.folder.iterdir() if is_target(path))


def is_target(path):
    if not path.is_file() or not os.access(path, os.X_OK):
        return False
    content = path.read_bytes()
    return content[:4] == b"\x7fELF" and ENTRY in content


def run(command, scratch, seconds=RUN_SECONDS_MAX, **environment):
    """Runs `command` from the root folder; returns its exit status and all it printed."""
    finished = subprocess.run([str(part) for part in command], cwd="/", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=seconds,
                              env={**ENVIRONMENT, "HOME": str(scratch), "TMPDIR": str(scratch), **environment})
    return finished.returncode, finished.stdout.decode(errors="replace")


def tail(output):
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"ERROR|error|violated|SUMMARY|Assert", line)]
    return " | ".join((telling or lines)[-2:])[-200:]


def check_architecture(build, target, _scratch):
    machine = int.from_bytes(target.read_bytes()[18:20], "little")
    if machine != MACHINES[build.architecture]:
        yield f"built for another machine (ELF {machine}) than {build.architecture}"


def check_calls(build, target, _scratch):
    if build.engine != "libfuzzer" and build.sanitizer == "undefined":
        return  # As upstream: other engines' own calls hide the difference.
    listing = subprocess.run(["objdump", "-dC", "--no-show-raw-insn", str(target)], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=False, text=True, errors="replace").stdout
    all_calls, own_calls = collections.Counter(), collections.Counter()
    own = False
    for line in listing.splitlines():
        if line.endswith(">:"):
            own = OWN_FUNCTION.match(line) is not None
        elif " <__" in line and (call := CALL.search(line)):  # The first is quick, and mostly false.
            all_calls[call.group(1)] += 1
            own_calls[call.group(1)] += own
    for runtime, (least, most) in CALLS[build.sanitizer].items():
        wanted = least > 0
        if all_calls[runtime] < least or (wanted and own_calls[runtime] < OWN_CALLS_MIN):
            yield f"not built with {runtime}: {all_calls[runtime]} calls, {own_calls[runtime]} of them its own"
        elif (most is not None and all_calls[runtime] > most) or (not wanted and own_calls[runtime] > 0):
            yield f"built with {runtime} too: {all_calls[runtime]} calls, {own_calls[runtime]} of them its own"


def check_libfuzzer_starts(target, scratch):
    code, output = run([target, "--", *LIBFUZZER_LIMITS, f"-artifact_prefix={scratch}/", "-seed=1337", "-runs=4"],
                       scratch)
    if code != 0 or "Done 4 runs" not in output:
        yield f"does not start and run four times (exit {code}): {tail(output)}"
    edges = sum(int(count) for count in re.findall(r"INFO: Loaded \d+ modules? +\((\d+) ", output))
    if edges < EDGES_MIN["libfuzzer"]:
        yield f"{edges} edges are instrumented, want {EDGES_MIN['libfuzzer']}"


def check_afl_starts(target, scratch):
    _, size = run([target], scratch, AFL_DUMP_MAP_SIZE="1")
    edges = int(re.findall(r"^\d+$", size, re.MULTILINE)[-1:][0]) if re.search(r"^\d+$", size, re.MULTILINE) else 0
    if edges < EDGES_MIN["afl"]:
        yield f"{edges} edges are instrumented, want {EDGES_MIN['afl']}"
    (scratch / "in").mkdir()
    (scratch / "in" / "input").write_bytes(b"input")
    log = scratch / "afl.log"
    environment = {**ENVIRONMENT, "HOME": str(scratch), "TMPDIR": str(scratch), "AFL_NO_UI": "1",
                   "AFL_SKIP_CPUFREQ": "1", "AFL_TRY_AFFINITY": "1", "AFL_FORKSRV_INIT_TMOUT": "30000",
                   "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES": "1", "AFL_MAP_SIZE": "2621440"}
    # AFL++ refuses sanitizer options without these two.
    environment["ASAN_OPTIONS"] += ":abort_on_error=1:symbolize=0:detect_leaks=0"
    with log.open("wb") as output:
        fuzzer = subprocess.Popen(["afl-fuzz", "-i", str(scratch / "in"), "-o", str(scratch / "out"), "-m", "none",
                                   "-t", "25000", "--", str(target)], cwd="/", env=environment,
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_for_text(log, "All set and ready to roll", fuzzer)
    finally:
        fuzzer.terminate()
        fuzzer.wait()
    text = log.read_text(errors="replace")
    if "All set and ready to roll" not in text or re.search(r"target binary (crashed|terminated)", text):
        yield f"AFL++ does not start it: {tail(text)}"


def wait_for_text(log, text, process):
    until = time.monotonic() + AFL_SECONDS_MAX
    while time.monotonic() < until and process.poll() is None and text not in log.read_text(errors="replace"):
        time.sleep(0.05)


def check_starts(build, target, scratch):
    yield from check_afl_starts(target, scratch) if build.engine == "afl" else check_libfuzzer_starts(target, scratch)


def check_options(build, target, _scratch):
    options = configparser.ConfigParser(interpolation=None)
    path = target.with_name(target.name + ".options")
    try:
        options.read_string(path.read_text(encoding="utf-8"))
        values = {key: int(options["libfuzzer"][key]) for key in ("max_len", "timeout")}
    except (OSError, ValueError, KeyError, configparser.Error) as error:
        yield f"{path.name}: {type(error).__name__}"
        return
    if min(values.values()) <= 0:
        yield f"{path.name}: {values}"


def check_seeds(build, target, scratch):
    """Every seed, with the options and the dictionary; and what the dynamic linker loaded for them."""
    archive = target.with_name(target.name + "_seed_corpus.zip")
    seeds = scratch / "seeds"
    try:
        with zipfile.ZipFile(archive) as content:
            content.extractall(seeds)
    except (OSError, zipfile.BadZipFile) as error:
        yield f"no seeds: {type(error).__name__}"
        return
    files = sorted(path for path in seeds.rglob("*") if path.is_file())
    if not files:
        yield "no seeds: the archive is empty"
        return
    command = [target]
    if build.engine == "afl":
        command += files
    else:
        command += [*LIBFUZZER_LIMITS, f"-artifact_prefix={scratch}/", "-runs=0", seeds]
        dictionary = target.with_name(target.name + ".dict")
        command[1:1] = [f"-dict={dictionary}"] if dictionary.exists() else []
    # Without the symbolizer, whose libraries are not the target's; a leak in a peer that is suppressed
    # would start it, too.
    options = ENVIRONMENT["ASAN_OPTIONS"] + ":symbolize=0"
    code, _ = run(command, scratch, ASAN_OPTIONS=options, LD_DEBUG="files", LD_DEBUG_OUTPUT=str(scratch / "loaded"))
    if code == 0:
        yield from check_loaded(build, scratch)
    else:
        _, output = run(command, scratch)  # Once more, in words.
        yield f"fails on its seeds (exit {code}): {tail(output)}"


def check_loaded(build, scratch):
    loaded = set()
    for log in scratch.glob("loaded.*"):
        loaded |= set(re.findall(r"calling init: (\S+)", log.read_text(errors="replace")))
    for path in sorted(loaded):
        if not SYSTEM.match(os.path.basename(path)) and build.folder not in pathlib.Path(path).resolve().parents:
            yield f"loads {path}, which the output folder does not bring"


RULES = [check_architecture, check_calls, check_starts, check_options, check_seeds]


def judge(build, target):
    """Returns what is wrong with `target`."""
    found = []
    for rule in RULES:
        with tempfile.TemporaryDirectory(prefix="bad-build-") as scratch:
            try:
                found += rule(build, target, pathlib.Path(scratch))
            except subprocess.TimeoutExpired as error:
                found.append(f"takes longer than {error.timeout:.0f} s")
            except OSError as error:
                found.append(f"cannot be run: {error.strerror}")
    return found


def judge_all(folder, sanitizer, engine, jobs):
    """Moves `folder`, judges every target in it, moves it back; returns {name: what is wrong}."""
    with tempfile.TemporaryDirectory(prefix="not-out-") as away:
        build = Build(pathlib.Path(away).resolve() / "moved", sanitizer, engine)
        shutil.move(folder, build.folder)
        try:
            targets = build.targets()
            with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
                return dict(zip((path.name for path in targets), pool.map(lambda path: judge(build, path), targets)))
        finally:
            shutil.move(build.folder, folder)


def print_verdict(results, label):
    bad = {name: found for name, found in results.items() if found}
    for name, found in bad.items():
        for what in found:
            print(f"  BAD  {name}: {what}")
    print(f"{label}: {len(results) - len(bad)} of {len(results)} targets pass")
    return bool(results) and not bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--sanitizer", choices=sorted(CALLS), default="address")
    parser.add_argument("--engine", choices=["libfuzzer", "afl"], default="libfuzzer")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    results = judge_all(arguments.out, arguments.sanitizer, arguments.engine, arguments.jobs)
    return 0 if print_verdict(results, f"{arguments.engine} {arguments.sanitizer}") else 1


if __name__ == "__main__":
    sys.exit(main())

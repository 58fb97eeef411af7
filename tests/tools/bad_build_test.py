#!/usr/bin/env python3
"""Plants builds that are bad in one way each, and wants tools/bad_build.py to refuse each for its own
reason, and the same build without the fault to pass. Exit 77 where there is no Clang 19.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
import bad_build  # noqa: E402

COMPILER = "clang++-19"
SKIPPED = 77
SANITIZED = ["-fsanitize=address"]
COUNTED = ["-fsanitize=fuzzer-no-link"]

# Enough branches and reads for a program of a likely size.
BODY = """
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
extern "C" int other();
volatile int sink;
namespace usher {
template <int N> void look(const std::uint8_t* data, std::size_t size) {
  if (size > N && data[N] == N % 251) sink = data[N] + sink;
  if constexpr (N > 0) look<N - 1>(data, size);
}
}  // namespace usher
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  usher::look<400>(data, size);
  FAULT
  return 0;
}
"""


class Planter:
    def __init__(self, folder):
        self.folder = folder
        self.built = {}

    def compile(self, out, fault="", flags=(*SANITIZED, *COUNTED), link=()):
        """Builds the target `planted` in `out`, with its side files."""
        out.mkdir(exist_ok=True)
        recipe = (fault, *flags, *link)
        if recipe not in self.built:
            program = self.built[recipe] = self.folder / f"planted-{len(self.built)}"
            source = self.folder / "planted.cc"
            source.write_text(BODY.replace("FAULT", fault), encoding="utf-8")
            part = source.with_suffix(".o")
            subprocess.run([COMPILER, "-O1", "-ftemplate-depth=1000", *flags, "-c", str(source), "-o", str(part)],
                           check=True)
            subprocess.run([COMPILER, str(part), *link, *SANITIZED, "-fsanitize=fuzzer", "-static-libstdc++",
                            "-static-libgcc", "-o", str(program)], check=True)
        shutil.copy(self.built[recipe], out / "planted")
        with zipfile.ZipFile(out / "planted_seed_corpus.zip", "w") as seeds:
            seeds.writestr("exclamation-mark", "!")
        (out / "planted.options").write_text("[libfuzzer]\nmax_len = 4096\ntimeout = 10\n", encoding="utf-8")
        (out / "planted.dict").write_text('"word"\n', encoding="utf-8")

    def library(self):
        """A shared library outside any output folder."""
        path = self.folder / "libother.so"
        source = self.folder / "other.cc"
        source.write_text('extern "C" int other() { return 1; }\n', encoding="utf-8")
        subprocess.run([COMPILER, "-shared", "-fPIC", str(source), "-o", str(path)], check=True)
        return ["-L" + str(self.folder), "-lother", "-Wl,-rpath," + str(self.folder)]


def without(name):
    return lambda planter, out: (planter.compile(out), (out / name).unlink())


def with_text(name, text):
    return lambda planter, out: (planter.compile(out), (out / name).write_text(text, encoding="utf-8"))


def with_fault(fault, **how):
    return lambda planter, out: planter.compile(out, fault, **how)


def empty_seeds(planter, out):
    planter.compile(out)
    zipfile.ZipFile(out / "planted_seed_corpus.zip", "w").close()


def hard_coded(planter, out):
    (out / "data").mkdir(parents=True)
    planter.compile(out, f'if (std::fopen("{out}/data", "r") == nullptr) std::abort();')


def other_machine(planter, out):
    planter.compile(out)
    target = out / "planted"
    content = bytearray(target.read_bytes())
    content[18] = 183  # aarch64
    target.write_bytes(content)


# What is planted, how, and what the verdict must then say.
PLANTED = [
    ("no coverage", with_fault("", flags=SANITIZED), "0 edges are instrumented"),
    ("no sanitizer", with_fault("", flags=COUNTED), "not built with asan"),
    ("another sanitizer too", with_fault("", flags=[*SANITIZED, *COUNTED, "-fsanitize=undefined"]), "built with ubsan too"),
    ("a crash at the start", with_fault("std::abort();"), "does not start"),
    ("an exit", with_fault("std::exit(0);"), "does not start"),
    ("a crashing seed", with_fault("if (size > 0 && data[0] == '!') std::abort();"), "fails on its seeds"),
    ("a leaking seed",
     with_fault("if (size > 0 && data[0] == '!') { void* volatile lost = std::malloc(9); lost = nullptr; }"),
     "fails on its seeds"),
    ("no seeds", without("planted_seed_corpus.zip"), "no seeds"),
    ("an empty archive", empty_seeds, "no seeds"),
    ("no options", without("planted.options"), "planted.options"),
    ("options without a number", with_text("planted.options", "[libfuzzer]\nmax_len = much\ntimeout = 10\n"), "planted.options"),
    ("a dictionary that cannot be read", with_text("planted.dict", "word\n"), "fails on its seeds"),
    ("a path of the place it was built in", hard_coded, "does not start"),
    ("a library from elsewhere", lambda planter, out: planter.compile(out, "sink = other();", link=planter.library()),
     "libother.so, which the output folder does not bring"),
    ("a library loaded at run time",
     lambda planter, out: (planter.library(), planter.compile(
         out, f'dlopen("{planter.folder}/libother.so", RTLD_NOW);')),
     "libother.so, which the output folder does not bring"),
    ("another machine", other_machine, "built for another machine"),
]


def main():
    if shutil.which(COMPILER) is None:
        print(f"skipped: there is no {COMPILER}")
        return SKIPPED
    failures = 0
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        planter = Planter(pathlib.Path(folder).resolve())
        for number, (name, plant, want) in enumerate([("nothing", with_fault(""), ""), *PLANTED]):
            out = planter.folder / f"out-{number}"
            plant(planter, out)
            found = bad_build.judge_all(out, "address", "libfuzzer", 1)["planted"]
            good = any(want in what for what in found) if want else not found
            failures += not good
            print(f"{'as it should' if good else 'NOT GOOD'}: with {name}: {found or 'passes'}")
        empty = planter.folder / "empty"
        empty.mkdir()
        if bad_build.print_verdict(bad_build.judge_all(empty, "address", "libfuzzer", 1), "an empty folder"):
            failures += 1
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

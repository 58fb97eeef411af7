#!/usr/bin/env python3
"""Requires that README.md's table, the sources, the build and the corpora name the same targets.

    readme_test.py FOLDER TARGETS      fuzz/, and the file in which the build lists what it builds
"""

import pathlib
import re
import sys

NEGATIVE = "canary"


def wrong(folder, built):
    listed = re.findall(r"^\| `(\w+)` \|", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    sources = {path.stem.removeprefix("fuzz_") for path in folder.glob("fuzz_*.cc")} - {NEGATIVE}
    yield from (f"README.md lists {name} twice" for name in sorted({name for name in listed if listed.count(name) > 1}))
    yield from (f"README.md does not list {name}" for name in sorted(sources - set(listed)))
    yield from (f"README.md lists {name}, and there is no fuzz_{name}.cc" for name in sorted(set(listed) - sources))
    yield from (f"CMakeLists.txt builds {name}, and there is no fuzz_{name}.cc" for name in sorted(built - sources))
    # Targets against peers, and those on uninstrumented libraries, are not built everywhere.
    for name in sorted(sources):
        if not any((folder / "corpus" / name).glob("*")):
            yield f"corpus/{name} is empty"
        if not (folder / "dict" / f"{name}.dict").is_file():
            yield f"dict/{name}.dict is missing"


def main():
    folder = pathlib.Path(sys.argv[1])
    built = set(pathlib.Path(sys.argv[2]).read_text(encoding="utf-8").split())
    found = list(wrong(folder, built))
    print("\n".join(found) if found else f"{len(built)} targets, each as it should be")
    return 1 if found or not built else 0


if __name__ == "__main__":
    sys.exit(main())

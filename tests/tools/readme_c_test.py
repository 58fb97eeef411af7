#!/usr/bin/env python3
"""README's C compiles, and leaves nothing that it declares unused.

usage: readme_c_test.py C_COMPILER

The snippets go on from one another: each is a block inside that of the one before.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# What a reader has from elsewhere.
GIVEN = "uint8_t* token, uint32_t token_size, const void* certificate, uint32_t certificate_size"


def program(snippets):
    """Returns the snippets as one file of C, their includes first."""
    lines = "\n{\n".join(snippets).splitlines()
    includes = [line for line in lines if line.startswith("#include")]
    rest = [line for line in lines if not line.startswith("#include")]
    return "\n".join([*includes, f"void sign_on({GIVEN});", f"void sign_on({GIVEN}) {{", *rest,
                      "(void)certificate;", "(void)certificate_size;", "}" * len(snippets)]) + "\n"


def main():
    snippets = re.findall(r"^```c\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)
    if len(snippets) < 2:
        sys.exit("README.md has no C any more: is this test still needed?")
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "usher").symlink_to(ROOT / "engine")  # As installed.
        command = [sys.argv[1], "-std=c11", "-pedantic", "-Wall", "-Wextra", "-Werror", "-I", folder,
                   "-fsyntax-only", "-x", "c", "-"]
        sys.exit(subprocess.run(command, input=program(snippets), text=True, check=False).returncode)


if __name__ == "__main__":
    main()

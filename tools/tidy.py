#!/usr/bin/env python3
"""Checks the house rules a compiler cannot: sizes, include directions, banned words.

Prints one `file:line: rule` per violation and exits 1 if there was any. Runs as the ctest `tidy`.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS_MAX = 100
FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

# Which top-level folders a folder may include from. Order is the dependency direction. tools/mint
# makes clients' tokens for tests, benches and fuzzing; it and tools/stepped.h are all of tools/ that
# benches may use.
MAY_INCLUDE = {
    "parsers": {"parsers"},
    "engine": {"parsers", "engine"},
    "tools": {"parsers", "engine", "tools"},
    "fuzz": {"parsers", "engine", "fuzz", "tools"},
    "bench": {"parsers", "engine", "bench", "tools"},
    "tests": {"parsers", "engine", "fuzz", "tests", "tools"},
}
# engine/ from the bottom up: leaf headers, one row per subfolder, then the files that compose them.
ENGINE_LEAVES = {"clock", "descriptor", "file_image", "fork_number", "limits", "random", "secret",
                 "signals_blocked", "status", "wiped_on_fork"}
ENGINE_LAYERS = ["slots", "crypto", "protect", "auth", "users", "io"]
LEAF, TOP = -1, len(ENGINE_LAYERS)

# What works at start and at reload only may allocate; the accept path may not.
LOAD_TIME = {
    "engine/auth/accounts": "reads the accounts file",
    "engine/auth/asking_threads": "answers on threads of its own",
    "engine/auth/authority": "holds answers made by such threads, whose memory is kept",
    "engine/auth/credential": "holds the server's names",
    "engine/auth/pac_write": "writes answers on such threads",
    "engine/auth/policy": "turns configuration into a Policy",
    "engine/auth/winbind": "answers on such threads",
    "engine/crypto/key_ring": "expands a keytab's keys",
    "engine/crypto/keytab": "reads a keytab",
    "engine/protect/message": "makes a Session at a context's first message",
    "engine/protect/session_base": "likewise",
    "engine/protect/aes_session": "likewise",
    "engine/protect/ntlm_session": "likewise",
    "engine/protect/rc4_session": "likewise",
    "engine/sspi_auth_data": "reads what AcquireCredentialsHandle is given",
    "engine/sspi_authority": "takes answers from the embedding program's threads",
    "engine/sspi_credential_keys": "AddCredentials and usher_reload",
    "engine/sspi_credential_query": "returns memory the caller frees",
    "engine/sspi_credentials": "AcquireCredentialsHandle and its reload",
    "engine/sspi_delegation": "writes a credential cache",
    "engine/sspi_identity": "returns memory the caller frees",
    "engine/sspi_internal": "declares both of the above",
    "engine/sspi_packages": "returns memory the caller frees",
    "engine/sspi_query": "returns memory the caller frees",
    "engine/sspi_process": "makes the process-wide engine",
    "engine/sspi_user_token": "asks name services, and returns memory the caller frees",
    "engine/sspi_users": "declares what that needs at start",
    "engine/users/impersonation": "remembers who a thread was",
    "engine/users/local_user": "asks name services, off the threads that accept",
    "engine/users/name_services": "likewise",
    "engine/users/patient_threads": "has threads that do so",
    "engine/users/user_map": "reads the map of users",
    "engine/users/winbind_uid": "asks winbindd on such threads",
    "engine/users/winbind_uid_absent": "stands for it",
}
BANNED = {
    "parsers": r"\b(new|malloc|throw|std::vector|std::string|reinterpret_cast|const_cast)\b",
    "engine": r"\b(new(?! \(std::nothrow\))|malloc|throw|std::vector|std::string|std::function|"
              r"std::shared_ptr|usleep)\b",
}
DEFINITION = re.compile(r"^(?:\S.*)\)(?: const| noexcept| override)*(?: : .*)? \{$")
INCLUDE = re.compile(r'#include "([\w/.]+)"')


def code_of(line):
    """Returns `line` without its // comment; good enough for a formatter-shaped code base."""
    return line.split("//", 1)[0]


def may_say_anything(path):
    return str(path.relative_to(ROOT).with_suffix("")) in LOAD_TIME


def check_file(path, report):
    folder = path.relative_to(ROOT).parts[0]
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) > FILE_LINES_MAX:
        report(path, len(lines), f"file exceeds {FILE_LINES_MAX} lines")
    banned = re.compile(BANNED[folder]) if folder in BANNED and not may_say_anything(path) else None
    started = None
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            report(path, number, f"line exceeds {COLUMNS_MAX} columns")
        include = INCLUDE.match(line)
        if include:
            check_include(path, include.group(1), number, report)
        if banned and not line.startswith("#include"):
            word = banned.search(code_of(line))
            if word:
                report(path, number, f"banned here: {word.group(1)}")
        if DEFINITION.match(line) and not line.startswith("namespace"):
            started = number
        if line == "}" and started is not None:
            if number - started + 1 > FUNCTION_LINES_MAX:
                report(path, started, f"function exceeds {FUNCTION_LINES_MAX} lines")
            started = None


def engine_layer(parts):
    """Returns how far down engine/... is: LEAF, a layer's index, or TOP."""
    if parts[1] == "windows":  # Public headers, as those of sspi.h.
        return TOP
    if len(parts) > 2:
        return ENGINE_LAYERS.index(parts[1])
    return LEAF if pathlib.Path(parts[1]).stem in ENGINE_LEAVES else TOP


def check_include(path, included, number, report):
    own = path.relative_to(ROOT).parts
    target = tuple(included.split("/"))
    if target[0] == "..":
        target = own[:-2] + target[1:]
    if len(target) == 1:
        target = own[:-1] + target  # Public headers name each other so that they can be installed.
    if target[0] not in MAY_INCLUDE[own[0]]:
        report(path, number, f"{own[0]}/ may not include {target[0]}/")
    elif target[0] == "tools" and own[0] == "bench" and target[1] not in {"mint", "stepped.h"}:
        report(path, number, "bench/ may include tools/mint and tools/stepped.h only")
    elif own[0] == target[0] == "engine" and engine_layer(target) > engine_layer(own):
        report(path, number, f"{'/'.join(own)} may not include {included}, a layer further down")


def main():
    violations = []

    def report(path, number, rule):
        violations.append(f"{path.relative_to(ROOT)}:{number}: {rule}")

    for folder in MAY_INCLUDE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".h", ".cc", ".c"}:
                check_file(path, report)
    print("\n".join(violations) if violations else "tidy: clean")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Makes the man pages: those of section 3 from the comments of the public headers, others from .scd.

Usage: man_pages.py --scdoc PROGRAM --version VERSION --out FOLDER FILE...

Each FILE is a public header, or a page in scdoc. FOLDER then has man1, man3, man5 and man8 with
compressed pages. A chunk of a header is what stands between blank lines. A chunk with functions is a
page, named after its first function, and every other name in it is a link to that page: both forms of
a function, A and W, their name without a suffix, and functions that share a comment. What else is in
a header is on the header's own page, usher-NAME(3).
"""

import argparse
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap

# Comments that stand alone, by their first words, and the functions whose pages repeat them.
SHARED = {
    "Messages:": ["MakeSignature", "VerifySignature", "EncryptMessage", "DecryptMessage"],
    "The operations.": ["SspiAcquireCredentialsHandleAsync", "SspiAcceptSecurityContextAsync",
                        "SspiFreeCredentialsHandleAsync", "SspiDeleteSecurityContextAsync"],
}
STATUS_RETURNED = ("SEC_E_OK, or what is said here; a negative status is an error, and "
                   "usher_last_refusal then says why in words. All numbers are in "
                   "usher-sspi-status(3).")
DECLARATION = re.compile(r"^USHER_API [^;]*;", re.MULTILINE)
ALIAS = re.compile(r"^#define (\w+) (\w+)$", re.MULTILINE)
NOT_OF_DOCUMENTATION = re.compile(r"#(if|ifdef|ifndef|endif|else|pragma|include)|extern \"C\"|// NOLINT")
# Sentences about what a function returns; they have a section of their own.
OF_ERRORS = re.compile(r"SEC_[EI]_|USHER_STATUS_|Zero;|Returns |On an error |After an error ")
GOES_ON = re.compile(r"(But|It|They|Then|Spared|\(Windows)\b")  # A sentence on the one before.


class Chunk:
    """Comments and code between two blank lines of a header."""

    def __init__(self, lines):
        self.comments = []
        for before, line in zip(["//", *lines], lines):
            if line.startswith("//"):
                # What stands behind code is a paragraph of its own.
                self.comments += [line[2:]] if before.startswith("//") else ["", line[2:]]
        self.code = "\n".join(lines[self._comment_length(lines):])
        self.text = "\n".join(lines)
        self.declarations = [" ".join(found.split()) for found in DECLARATION.findall(self.text)]
        self.functions = [name_of(declaration) for declaration in self.declarations]

    @staticmethod
    def _comment_length(lines):
        return next((n for n, line in enumerate(lines) if not line.startswith("//")), len(lines))


class Header:
    def __init__(self, path):
        lines = path.read_text(encoding="utf-8").splitlines()
        self.name = path.name
        self.page = "usher-" + path.stem.replace("_", "-")
        self.aliases = dict(ALIAS.findall("\n".join(lines)))
        first = next(n for n, line in enumerate(lines) if not line.startswith("//"))
        self.introduction = [line[2:] for line in lines[:first]]
        self.chunks = [Chunk(chunk) for chunk in chunks_of(lines[first:])]


def chunks_of(lines):
    """Yields the chunks, without what only the compiler is told; #if and all in it counts as that,
    because only the names without a suffix depend on a condition. A structure is one chunk."""
    chunk, conditions, inside = [], 0, False
    for line in [*lines, ""]:
        if re.match(r"#\s*if", line):
            conditions += 1
            chunk = []  # A comment on the condition.
        aside = conditions or NOT_OF_DOCUMENTATION.search(line) or line == "}  // extern \"C\""
        if re.match(r"#\s*endif", line):
            conditions -= 1
        inside = inside and not line.startswith("}") or line.startswith("typedef struct") and line.endswith("{")
        if (line or inside) and not aside:
            chunk.append(line)
        elif not line and chunk:
            yield chunk
            chunk = []


def name_of(declaration):
    return re.match(r"USHER_API [^(]*?(\w+)\(", declaration).group(1)


def base_of(function, aliases):
    """Returns a function's name without its suffix, if it has that too."""
    return function[:-1] if aliases.get(function[:-1]) in (function[:-1] + "A", function[:-1] + "W") \
        else function


class Writer:
    """scdoc's text of what comments say. `pages` are the names that have one."""

    def __init__(self, pages):
        self.pages = pages

    def line(self, text):
        text = re.sub(r"([\\_*`~|\[\]<>])", r"\\\1", text)
        text = re.sub(r"(?<![\w\\])(\w(?:\w|\\_)*)(\(\d\))?", self._linked, text)
        return "\\" + text if text[:1] in "#.-+=;&" and not text.startswith("\\") else text

    def _linked(self, match):
        name = match.group(1).replace("\\_", "_")
        if name not in self.pages:
            return match.group(0)
        return f"*{match.group(1)}*" + (match.group(2) or "")

    def blocks(self, comment):
        """Splits a comment into (kind, lines): text, list (of a name, or a bullet), or code."""
        blocks = []
        for raw in comment:
            line = raw[1:] if raw.startswith(" ") else raw
            kind = blocks[-1][0] if blocks else None
            if not line:
                blocks.append(("end", []))
            elif line.startswith("* "):
                blocks.append(("bullet", [line[2:]]))
            elif re.match(r"  .*[;{}]$", line) and kind in ("end", "code"):
                blocks.append(("code", [line[2:]]))
            elif line.startswith("  ") and kind == "bullet":
                blocks[-1][1].append(line.strip())
            elif re.match(r"  \w+(, \w+)* +\S", line):
                blocks.append(("item", [line.strip()]))
            elif line.startswith("  ") and kind == "item":
                blocks[-1][1].append(line.strip())
            elif kind == "text":
                blocks[-1][1].append(line)
            else:
                blocks.append(("text", [line]))
        return [block for block in blocks if block[1]]

    def render(self, blocks):
        out, code = [], []
        for kind, lines in blocks:
            text = " ".join(lines)
            if kind == "code":
                out += literal("\n".join(lines))
            elif kind == "bullet":
                out += ["\\* " + self.line(text), ""]
            elif kind == "item":
                name, rest = re.match(r"(\w+(?:, \w+)*)\s+(.*)", text).groups()
                out += ["_" + name.replace("_", "\\_") + "_", "\t" + self.line(rest), ""]
            else:
                out += [self.line(text), ""]
        return out


def literal(text):
    return ["```", text.replace("\\", "\\\\"), "```", ""]


def sentences_of(text):
    return re.split(r"(?<=[.)])(?<!e\.g\.) (?=[A-Z*_\"])", text)


def without_errors(blocks):
    """Returns the blocks without sentences about results, and those sentences as blocks."""
    kept, errors = [], []
    for kind, lines in blocks:
        if kind != "text":
            kept.append((kind, lines))
            continue
        of_errors, rest = [], []
        of_errors_before = False
        for sentence in sentences_of(" ".join(lines)):
            of_errors_before = bool(OF_ERRORS.match(sentence) or
                                    of_errors_before and GOES_ON.match(sentence))
            (of_errors if of_errors_before else rest).append(sentence)
        kept += [("text", rest)] if rest else []
        errors += [("text", of_errors)] if of_errors else []
    return kept, errors


def prototype(declaration):
    """Returns its lines; a parameter's type and name stay together."""
    text = declaration.replace("USHER_API ", "").replace("SEC_ENTRY ", "").replace("( ", "(")
    head, _, parameters = text.partition("(")
    parameters = ", ".join(one.replace(" ", "\xa0") for one in parameters.split(", "))
    lines = textwrap.wrap(f"{head}({parameters}", 76, subsequent_indent="    ",
                          break_long_words=False)
    return [line.replace("\xa0", " ") for line in lines]


def summary_of(comment, names):
    """Returns the first sentence for the section NAME, without the function's own name."""
    text = " ".join(line.strip() for line in comment)
    text = re.match(r"(.*?[^.])(?:\.(?= |$)|[:;](?= )|$)", text).group(1)
    first, _, rest = text.partition(" ")
    text = rest if first in names else text
    text = text[0].lower() + text[1:] if not text[1].isupper() else text
    return text if len(text) < 200 else text[:text.rindex(" ", 0, 200)]


def function_page(header, chunk, shared, writer, version):
    names = names_of(header, chunk)
    bases = list(dict.fromkeys(base_of(name, header.aliases) for name in chunk.functions))
    escaped = [name.replace("_", "\\_") for name in names]
    out = [f"{bases[0]}(3) \"Usher {version}\" \"Usher's functions\"", "", "# NAME", "",
           f"{', '.join(escaped)} - {writer.line(summary_of(chunk.comments, names)).replace('*', '')}",
           "", "# SYNOPSIS", "", "```", f"#include <usher/{header.name}>", ""]
    out += [line for line in chunk.text.splitlines() if re.match(r"#define", line)]
    for declaration in chunk.declarations:
        out += prototype(declaration) + [""]
    out += ["cc ... $(pkg-config --cflags --libs usher)", "```", "", "# DESCRIPTION", ""]
    kept, errors = without_errors(writer.blocks(chunk.comments))
    out += writer.render(kept or errors)
    if bases[0] + "A" in names and bases[0] + "W" in names:
        out += ["Names that end in A take and give UTF-8, those in W UTF-16; which of them a name "
                "without a suffix is depends on whether UNICODE is defined.", ""]
    for comment in shared:
        shared_kept, shared_errors = without_errors(writer.blocks(comment))
        out += writer.render(shared_kept)
        errors += shared_errors
    if any("SECURITY_STATUS" in declaration.split("(")[0] for declaration in chunk.declarations):
        out += ["# RETURN VALUE", "", writer.line(STATUS_RETURNED), ""]
        out += writer.render(errors if kept else [])
    elif errors and kept:
        out += ["# RETURN VALUE", ""] + writer.render(errors)
    said = "\n".join(out)
    others = sorted(page for page in writer.pages
                    if page not in names and f"*{page}*".replace("_", "\\_") in said)
    see = [header.page] + [other for other in others if other != header.page]
    out += ["# SEE ALSO", "", ", ".join(f"*{page}*(3)".replace("_", "\\_") for page in see), ""]
    return bases[0], out


def names_of(header, chunk):
    """Returns every name of a chunk's functions: with suffix, without, and those defined as it."""
    names = []
    for function in chunk.functions:
        names += [base_of(function, header.aliases), function]
    names += [alias for alias, name in ALIAS.findall(chunk.text) if name in names]
    return list(dict.fromkeys(names))


def types_of(chunk):
    return re.findall(r"^\} (\w+)", chunk.text, re.MULTILINE)


def header_page(header, writer, version):
    types = [name for chunk in header.chunks for name in types_of(chunk)]
    out = [f"{header.page}(3) \"Usher {version}\" \"Usher's headers\"", "", "# NAME", "",
           f"{header.page} - {writer.line(summary_of(header.introduction, [])).replace('*', '')}", "",
           "# SYNOPSIS", "", "```", f"#include <usher/{header.name}>", "",
           "cc ... $(pkg-config --cflags --libs usher)", "```", "", "# DESCRIPTION", ""]
    out += writer.render(writer.blocks(header.introduction))
    own = [chunk for chunk in header.chunks if not chunk.functions]
    if any(chunk.code for chunk in own):
        out += ["# TYPES AND NUMBERS", ""]
    for chunk in own:
        if not any(chunk.text.startswith(f"// {first}") for first in SHARED):
            out += literal(chunk.text)
    functions = [base_of(name, header.aliases) for chunk in header.chunks for name in chunk.functions]
    if functions:
        out += ["# FUNCTIONS", "", ", ".join(
            f"*{name}*(3)".replace("_", "\\_") for name in dict.fromkeys(functions)), ""]
    out += ["# SEE ALSO", "", "*usher*(1), *usherd*(8)", ""]
    return types, out


def pages_of(headers, version):
    """Yields (name, other names, lines) of every page of section 3."""
    known = {header.page for header in headers}
    for header in headers:
        for chunk in header.chunks:
            known.update(names_of(header, chunk))
    writer = Writer(known)
    shared_used = set()
    for header in headers:
        types, lines = header_page(header, writer, version)
        yield header.page, [name for name in types if name not in known], lines
        for chunk in header.chunks:
            if chunk.comments and not chunk.code:
                if not any(chunk.text.startswith(f"// {first}") for first in SHARED):
                    sys.exit(f"{header.name}: whose is the comment \"{chunk.comments[0].strip()}\"? "
                             "SHARED in tools/man_pages.py should know")
            if not chunk.functions:
                continue
            if not chunk.comments:
                sys.exit(f"{header.name}: {chunk.functions[0]} has no comment")
            base = base_of(chunk.functions[0], header.aliases)
            shared = []
            for first, functions in SHARED.items():
                if base in functions:
                    shared_used.add(first)
                    shared += [c.comments for h in headers for c in h.chunks
                               if c.text.startswith(f"// {first}")]
            name, lines = function_page(header, chunk, shared, writer, version)
            yield name, [other for other in names_of(header, chunk) if other != name], lines
    for first in SHARED.keys() - shared_used:
        sys.exit(f"SHARED in tools/man_pages.py: no function has \"{first}\"")


def compress(scdoc, text, path):
    page = subprocess.run([scdoc], input=text.encode(), stdout=subprocess.PIPE, check=False)
    if page.returncode:
        sys.exit(f"{path.name}: scdoc refuses it")
    path.write_bytes(gzip.compress(page.stdout, 9, mtime=0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scdoc", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("files", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    for section in "1358":
        (options.out / f"man{section}").mkdir(parents=True)
    for path in options.files:
        if path.suffix == ".scd":
            section = path.stem[-1]
            text = path.read_text(encoding="utf-8").replace("@VERSION@", options.version)
            compress(options.scdoc, text, options.out / f"man{section}" / f"{path.stem}.gz")
    headers = [Header(path) for path in options.files if path.suffix == ".h"]
    folder = options.out / "man3"
    for name, others, lines in pages_of(headers, options.version):
        compress(options.scdoc, "\n".join(lines), folder / f"{name}.3.gz")
        for other in others:
            os.symlink(f"{name}.3.gz", folder / f"{other}.3.gz")


if __name__ == "__main__":
    main()

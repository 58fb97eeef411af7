#!/usr/bin/env python3
"""Doxygen's INPUT_FILTER: prints a public header with its plain comments as Doxygen's.

The headers have `//` before declarations and behind members. Before a declaration it becomes /** */,
with \\param for the list of parameters and a list item for each "* "; what two functions share (A and
W, say) stands before both; behind a member it becomes ///<. Pages in Markdown lose links to files.
"""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import man_pages  # noqa: E402  Both read comments in the same way.

MEMBER = re.compile(r"^(  [^/]*[;,{]) +// (.*)$")
CONTINUED = re.compile(r"^ {6,}// (.*)$")


def escaped(text):
    """Returns text in which nothing but `names` means something to Doxygen."""
    text = text.replace("&", "&amp;").replace('"', "&quot;").replace("*", "&lowast;")
    return re.sub(r"([\\@<>#%])", r"\\\1", text)


def comment_of(lines, parameters):
    """Returns a Doxygen comment of a plain one. `parameters` are the function's, which \\param may name."""
    out = []
    for kind, block in man_pages.Writer(set()).blocks(lines):
        text = escaped(" ".join(block))
        if kind == "code":
            out += ["\\code", *block, "\\endcode"]
        elif kind == "bullet":
            out += ["- " + text]
        elif kind == "item":
            names, rest = re.match(r"(\w+(?:, \w+)*)\s+(.*)", text).groups()
            named = [name for name in names.split(", ") if name in parameters]
            out += [f"\\param {name} {rest}" for name in named] or ([] if parameters else [f"- <b>{names}</b> {rest}"])
        else:
            out += ["", text]
    return "/**\n" + "\n".join(out) + "\n*/"


def parameters_of(declaration):
    inside = declaration[declaration.index("(") + 1:declaration.rindex(")")]
    return [re.search(r"(\w+)$", one.strip()).group(1) for one in inside.split(",") if one.strip() != "void"]


def with_members(lines):
    """Returns code whose comments behind members are Doxygen's."""
    out, behind = [], False
    for line in lines:
        member, continued = MEMBER.match(line), CONTINUED.match(line)
        if member:
            out.append(f"{member.group(1)}  ///< {escaped(member.group(2))}")
        elif continued and behind:
            out.append(f"  ///< {escaped(continued.group(1))}")
        elif re.match(r"^  // ", line):
            out.append("  /// " + escaped(line[5:]))
        else:
            out.append(line)
        behind = bool(member or continued and behind)
    return out


def before_structure(code):
    """Splits off the numbers before a structure, whose the comment is, and its pointer's name behind it."""
    at = code.find("typedef struct")
    if at < 0:
        return "", code
    code = re.sub(r"^\} (\w+),\s+\*(\w+);", r"} \1;\ntypedef \1* \2;", code, flags=re.MULTILINE)
    return code[:at], code[at:]


def declarations(text):
    """Splits code into declarations of functions and what is between them."""
    at = 0
    for found in man_pages.DECLARATION.finditer(text):
        yield text[at:found.start()], None
        yield found.group(0), parameters_of(found.group(0))
        at = found.end()
    yield text[at:], None


def main():
    path = pathlib.Path(sys.argv[1])
    if path.suffix == ".md":  # Files that have no page here are named, not linked.
        print(re.sub(r"\[([^\]]*)\]\((?!https?:|#|man/)[^)]*\)", r"\1", path.read_text(encoding="utf-8")))
        return
    header = man_pages.Header(path)
    print("/** \\file\n" + comment_of(header.introduction, [])[4:])
    shared = {}
    for chunk in header.chunks:
        for first, functions in man_pages.SHARED.items():
            if chunk.text.startswith(f"// {first}"):
                shared.update(dict.fromkeys(functions, chunk.comments))
        code = "\n".join(line for line in chunk.text.splitlines() if not line.startswith("//"))
        if not chunk.functions:
            numbers, code = before_structure(code)
            print(numbers)
            if code and chunk.comments:
                print(comment_of(chunk.comments, []))
            print("\n".join(with_members(code.splitlines())) + "\n")
            continue
        for text, parameters in declarations(code):
            if parameters is None:
                print(text.strip())
                continue
            name = man_pages.base_of(man_pages.name_of(" ".join(text.split())), header.aliases)
            print(comment_of(chunk.comments + [""] + shared.get(name, []), parameters))
            print(text)
    for alias, name in header.aliases.items():
        if not name.startswith(alias):
            continue
        print(f"/** {name}, or its other form where UNICODE is defined or not. */\n#define {alias} {name}")


if __name__ == "__main__":
    main()

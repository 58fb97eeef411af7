"""The man pages say what the programs and headers say, and render without a warning.

Arguments: the source folder, the folder of built pages, usher, usherd.
"""

import gzip
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

SOURCE, PAGES = map(pathlib.Path, sys.argv[1:3])
USHER, USHERD = sys.argv[3:5]
faults = []


def expect(holds, what):
    if not holds:
        faults.append(what)


def same(page, program, what):
    """Compares two sets of names."""
    expect(program, f"{what}: the program has none")
    for name in sorted(program - page):
        faults.append(f"{what}: the page lacks {name}")
    for name in sorted(page - program):
        faults.append(f"{what}: the program knows no {name}")


def help_of(*command):
    return subprocess.run([*command, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout


def options_in_help(text):
    return set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.MULTILINE))


def options_in_page(text):
    """Options are what paragraphs with an indented one behind them begin with."""
    return {option for line in re.findall(r"^(\*.*)\n\t", text, re.MULTILINE)
            for option in re.findall(r"\*(--[\w-]+)\*", line)}


def check_usher():
    page = (SOURCE / "tools/usher/usher.1.scd").read_text(encoding="utf-8")
    options = page.split("# OPTIONS")[1].split("\n# ")[0]
    parts = re.split(r"^## usher (\w+)$", options, flags=re.MULTILINE)
    common = options_in_page(parts[0])
    same(common, options_in_help(help_of(USHER)), "usher(1)")
    for command, text in zip(parts[1::2], parts[2::2]):
        same(options_in_page(text) | {"--help"}, options_in_help(help_of(USHER, command)),
             f"usher(1), {command}")
    commands = help_of(USHER).split("Subcommands:")[1]
    same(set(parts[1::2]), set(re.findall(r"^  (\w+)", commands, re.MULTILINE)), "usher(1), commands")


def keys_of(table, prefix=""):
    for name, value in table.items():
        if isinstance(value, dict):
            yield from keys_of(value, prefix + name + ".")
        else:
            yield prefix + name


def check_usherd():
    text = help_of(USHERD)
    page = (SOURCE / "tools/usherd/usherd.8.scd").read_text(encoding="utf-8")
    same(options_in_page(page.split("# OPTIONS")[1].split("\n# ")[0]), options_in_help(text), "usherd(8)")
    flat = " ".join(text.split())
    settings = re.findall(r"(--[\w-]+) VALUE (?:(?!VALUE).)*?\((\w[\w.]*); (no default|default [^)]*)\)", flat)
    for flag, key, _ in settings:
        expect(f"*{flag}* _VALUE_\n\t{key}\n" in page, f"usherd(8): {flag} is {key}")

    conf = (SOURCE / "tools/usherd/usherd.conf.5.scd").read_text(encoding="utf-8")
    described = dict(re.findall(r"^\*([\w.-]+)\* = (.*\n(?:\t.*\n)+)", conf, re.MULTILINE))
    keys = {key for _, key, _ in settings}
    same({key for key in described if not key.startswith("policy.")}, keys, "usherd.conf(5)")
    for _, key, default in settings:
        said = " ".join(described.get(key, "").split())
        if key.startswith("ntlm."):  # Depends on the machine.
            continue
        wanted = "No default" if default == "no default" else "Default: " + default.removeprefix("default ")
        expect(re.search(re.escape(wanted) + r"[.:,]", said), f"usherd.conf(5), {key}: {default}")

    policies = dict(re.findall(r"^  ([\w.-]+) = ([^:]*):", text, re.MULTILINE))
    same({key.removeprefix("policy.") for key in described if key.startswith("policy.")}, set(policies),
         "usherd.conf(5), policies")
    for name, values in policies.items():
        said = described.get("policy." + name, "\n").split("\n")[0]
        expect(said == values, f"usherd.conf(5), {name}: {values}, not {said}")

    known = keys | {"policy." + name for name in policies}
    example = conf.split("# EXAMPLE")[1].split("```")[1]
    shipped = (SOURCE / "tools/usherd/usherd.toml").read_text(encoding="utf-8")
    with_comments = re.sub(r"^# (\w+ = )", r"\1", shipped, flags=re.MULTILINE)
    for what, toml in ("its example", example), ("usherd.toml", with_comments):
        found = set(keys_of(tomllib.loads(toml)))
        expect(found and found <= known, f"usherd.conf(5), {what}: {sorted(found - known)}")


def check_functions():
    """Every function of the API has a page, or a link to one, in which its prototype stands."""
    exported = re.findall(r"^    (\w+);$", (SOURCE / "engine/libusher.map").read_text(encoding="utf-8"),
                          re.MULTILINE)
    expect(len(exported) > 60, "libusher.map has lost its functions")
    for name in exported:
        path = PAGES / "man3" / f"{name}.3.gz"
        if not path.is_file():
            faults.append(f"no page of {name}")
            continue
        page = gzip.open(path, "rt", encoding="utf-8").read().replace("\\&", "")
        expect(re.search(rf"\b{name}\(", page), f"{name}(3) lacks the prototype")
        expect(re.search(rf"^\.SH NAME\n\.P\n.*\b{name}\b.* - \w", page, re.MULTILINE), f"{name}(3) lacks its name")


def warnings_of(path):
    """Returns what groff, which man uses, and mandoc have to say about a page. Not about scdoc's habit
    of beginning every paragraph with a macro for it."""
    page = gzip.decompress(path.read_bytes())
    # As `man --warnings` calls it.
    groff = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=page, capture_output=True, check=False)
    said = groff.stderr.decode().splitlines()
    if shutil.which("mandoc"):
        mandoc = subprocess.run(["mandoc", "-Tlint", "-Wwarning"], input=page, capture_output=True, check=False)
        said += [line for line in mandoc.stdout.decode().splitlines()
                 if "skipping paragraph macro: PP" not in line]
    return said


def check_pages():
    pages = [path for path in sorted(PAGES.glob("man?/*.gz")) if not path.is_symlink()]
    expect(len(pages) > 50, "pages are missing")
    for path in PAGES.glob("man?/*.gz"):
        expect(path.is_file(), f"{path.name} leads nowhere")
    for path in pages:
        faults.extend(f"{path.name}: {line}" for line in warnings_of(path))
    # What is bad is told from what is good.
    bad = PAGES / "bad.1.gz"
    bad.write_bytes(gzip.compress(b".TH BAD 1\n.SH NAME\nbad\n.FONT x\n.ft NO\n"))
    expect(warnings_of(bad), "nothing is wrong with a bad page")
    bad.unlink()


def main():
    check_usher()
    check_usherd()
    check_functions()
    check_pages()
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

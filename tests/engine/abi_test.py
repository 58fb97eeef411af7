"""The library's ABI is the recorded one; and tools/abi tells when headers are not. Arguments: the source
folder, the build folder, a folder to work in."""

import pathlib
import shutil
import subprocess
import sys

SOURCE, BUILD, WORK = map(pathlib.Path, sys.argv[1:4])
CHANGES = {  # What is changed in which header: what abidiff has to say.
    ("sspi_attributes.h", "uint32_t Flags;", "uint64_t Flags;"): "SecPkgContext_Flags",
    ("acceptor.h", "USHER_API const char* usher_last_refusal(void);",
     "USHER_API const char* usher_last_refusal(int);"): "usher_last_refusal",
}


def check(build):
    return subprocess.run([SOURCE / "tools/abi", "check", build], stdout=subprocess.PIPE, text=True, check=False)


def main():
    result = check(BUILD)
    if result.returncode:
        print(result.stdout)
        return result.returncode
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(BUILD / "include", WORK / "include")
    (WORK / "engine").mkdir()
    (WORK / "engine/libusher.so").symlink_to((BUILD / "engine/libusher.so").resolve())
    for (name, old, new), _ in CHANGES.items():
        header = WORK / "include/usher" / name
        text = header.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old}"
        header.write_text(text.replace(old, new), encoding="utf-8")
    changed = check(WORK)
    for (name, old, _), told in CHANGES.items():
        if changed.returncode != 1 or told not in changed.stdout:
            print(f"{name}, {old}: not noticed\n{changed.stdout}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

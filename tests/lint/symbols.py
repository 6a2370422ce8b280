#!/usr/bin/env python3
"""Checks names that others can see: symbols.py BUILD_DIR.

The shared library exports only what the public headers, tidemark*.h, declare; every global symbol
of the static library starts with tm_, so that it collides with nothing in a program that links it.
"""

import re
import subprocess
import sys
from pathlib import Path

import tree

LINKER = {"_init", "_fini", "_edata", "_end", "__bss_start"}


def symbols(library, *options):
    out = subprocess.run(["nm", "--defined-only", *options, str(library)],
                         check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        words = line.split()
        if len(words) == 3 and words[1].isupper() and words[2] not in LINKER:
            yield words[2]


def main():
    build = Path(sys.argv[1])
    found = tree.Findings("prefix")
    declared = set()
    for public in [*tree.ROOT.glob("engine/tidemark*.h"), *tree.ROOT.glob("parse/tidemark*.h")]:
        declared |= set(re.findall(r"\btm_\w+", public.read_text()))
    for name in sorted(set(symbols(build / "libtidemark.so", "--dynamic"))):
        if name.split("@")[0] not in declared:
            found.add("engine/tidemark.h", 1, "export",
                      f"{name} is exported but not declared here: drop its TM_API")
    for name in sorted(set(symbols(build / "libtidemark.a", "--extern-only"))):
        if not name.startswith("tm_"):
            found.add("libtidemark.a", 0, "prefix",
                      f"{name} is global: make it static or call it tm_*")
    found.finish()


main()

#!/usr/bin/env python3
"""Checks that what the documents point to exists: relative links, and paths in `code spans`."""

import re

import tree

LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
SPAN = re.compile(r"`((?:base|net|parse|state|engine|tests|bench|docs|examples)/[\w./-]*\w/?)`")


def main():
    found = tree.Findings()
    for path in tree.files(".md"):
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            for target in LINK.findall(line):
                if "://" in target or target.startswith("mailto:"):
                    continue
                if not (tree.ROOT / path.parent / target).exists():
                    found.add(path, number, "link", f"{target} is not there")
            for target in SPAN.findall(line):
                if not (tree.ROOT / target).exists():
                    found.add(path, number, "path", f"{target} is not there")
    found.finish()


main()

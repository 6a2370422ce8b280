#!/usr/bin/env python3
"""Checks that Python files parse, and that they import only the standard library and each other."""

import ast
import sys
from pathlib import Path

import tree


def imports(module):
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, (node.module or "").split(".")[0]


def main():
    found = tree.Findings()
    ours = {path.stem for path in tree.files(".py")}
    for name in sys.argv[1:]:
        path = Path(name)
        if not (tree.ROOT / path).exists():
            continue
        try:
            module = ast.parse(tree.text(path), filename=name)
        except SyntaxError as error:
            found.add(path, error.lineno, "syntax", error.msg)
            continue
        for line, imported in imports(module):
            if imported not in sys.stdlib_module_names and imported not in ours:
                found.add(path, line, "import", f"{imported} is not in the standard library")
    found.finish()


main()

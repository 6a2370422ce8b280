#!/usr/bin/env python3
"""Checks sizes: lines of files and functions, parameters, columns; and how a header begins.

Reads the house's brace style (a function's braces stand in column 0), which the format check
enforces.
"""

import re

import tree

SOURCE_LINES, HEADER_LINES, FUNCTION_LINES, PARAMETERS, COLUMNS = 500, 250, 70, 6, 100

NAME = re.compile(r"([A-Za-z_]\w*)\s*\(")
ATTRIBUTE = re.compile(r"__attribute__\s*\(\(.*?\)\)", re.S)


def parameters(signature, start):
    """How many parameters the list has that opens at signature[start]."""
    depth, cnt, text = 0, 1, ""
    for char in signature[start:]:
        if char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
            if depth == 0:
                break
        elif char == "," and depth == 1:
            cnt += 1
        text += char
    return 0 if text.strip("( \n") in ("", "void") else cnt


def ends_before(line):
    """Whether the line cannot belong to the signature that follows it."""
    return not line.strip() or line.startswith("#") or line.rstrip().endswith((";", "}"))


def functions(code):
    """Yields (name, first line, lines, parameters) of each function, 1-based."""
    lines = code.split("\n")
    for idx, line in enumerate(lines):
        if line.rstrip() != "{":
            continue
        end = next((i for i in range(idx, len(lines)) if lines[i].rstrip() == "}"), len(lines) - 1)
        start = idx
        while start > 0 and not ends_before(lines[start - 1]):
            start -= 1
        signature = ATTRIBUTE.sub("", "\n".join(lines[start:idx]))
        match = NAME.search(signature)
        if not match:
            continue
        name = match.group(1)
        if name in ("Test", "TestSuite", "ParameterizedTest"):
            name, count = signature[match.end():].split(")")[0].replace(" ", ""), 0
        else:
            count = parameters(signature, match.end() - 1)
        yield name, start + 1, end - start + 1, count


def check_c(found, path):
    text = tree.text(path)
    lines = text.count("\n")
    if path.suffix == ".h":
        found.limit(path, 1, "header-lines", lines, HEADER_LINES, "split it: one noun a file")
        first = text.split("\n", 1)[0]
        if not first.startswith((f"/* {path} - ", f"/* {path.name} - ")):
            found.add(path, 1, "header-start", f"begin with '/* {path} - ' (docs/style.md)")
    else:
        found.limit(path, 1, "source-lines", lines, SOURCE_LINES, "split it: one noun a file")
    for name, line, length, count in functions(tree.code(path)):
        found.limit(path, line, "function-lines", length, FUNCTION_LINES, f"cut {name} up", name)
        found.limit(path, line, "parameters", count, PARAMETERS,
                    f"give {name} a config struct", name)


def main():
    found = tree.Findings("source-lines", "header-lines", "function-lines", "parameters", "columns")
    for path in tree.files(".c", ".h", ".cc", ".cpp", ".py"):
        widest = 0
        for number, line in enumerate(tree.text(path).splitlines(), 1):
            if len(line) > max(COLUMNS, widest):
                widest = len(line)
                found.limit(path, number, "columns", widest, COLUMNS, "wrap the line")
        if path.suffix != ".py":
            check_c(found, path)
    found.finish()


main()

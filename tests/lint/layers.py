#!/usr/bin/env python3
"""Checks that every include points down: base <- {net, parse, state} <- engine.

net, parse and state never see each other; none of them, nor base, starts a thread. Includes in
quotes are relative to the root of the tree and exist; headers do not include each other in circles;
basenames are unique, so that a name in a log or a comment means one file. tidemark.h is
installed with its parts, which stand beside it (tidemark_*.h) and include each other by bare name,
the C library and those contracts of base that are installed with them; example jobs see nothing of
the engine but it.
"""

import re
from pathlib import Path

import tree

SEES = {
    "base": {"base"},
    "net": {"base", "net"},
    "parse": {"base", "parse"},
    "state": {"base", "state"},
    "engine": {"base", "net", "parse", "state", "engine"},
    "examples": set(),
    "bench": {"base", "net", "parse", "state", "engine", "bench", "tests"},
    "tests": {"base", "net", "parse", "state", "engine", "bench", "tests"},
}
PUBLIC = Path("engine/tidemark.h")
PUBLIC_SEES = {"base/types.h", "base/row.h", "base/schema.h", "state/part/part_options.h",
               "state/part/part_roll.h", "state/sink.h"}
NO_THREADS = {"base", "net", "parse", "state"}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
THREAD_START = re.compile(r"\b(pthread_create|thrd_create|clone3?|fork|vfork|posix_spawnp?)\s*\(")


def is_public(path):
    return path.parent == PUBLIC.parent and re.fullmatch(r"tidemark(_\w+)?\.h", path.name)


def line_of(text, pos):
    return text.count("\n", 0, pos) + 1


def check_include(found, path, line, target):
    folder = path.parts[0]
    if is_public(path):
        part = path.parent / target
        if target not in PUBLIC_SEES and not (is_public(part) and (tree.ROOT / part).exists()):
            found.add(path, line, "layer", "a public header includes its like, the C library and "
                      + ", ".join(sorted(PUBLIC_SEES)))
        return
    if not (tree.ROOT / target).exists():
        near = (path.parent / target)
        hint = f'write "{near}"' if (tree.ROOT / near).exists() else "no such file in the tree"
        found.add(path, line, "include", f'"{target}" is not relative to the root: {hint}')
        return
    if folder == "examples":
        if Path(target) != PUBLIC:
            found.add(path, line, "layer", f"examples see only {PUBLIC.name}, as users do")
    elif Path(target).parts[0] not in SEES.get(folder, set()):
        found.add(path, line, "layer", f"{folder} may not see {Path(target).parts[0]}: move what"
                  " both need into a contract in base, or the caller into engine")


def check_cycles(found, graph):
    done, trail = set(), []

    def visit(header):
        if header in trail:
            circle = trail[trail.index(header):] + [header]
            found.add(header, 1, "cycle", " -> ".join(circle) + ": break the circle")
            return
        if header in done:
            return
        trail.append(header)
        for target in graph.get(header, []):
            visit(target)
        trail.pop()
        done.add(header)

    for header in sorted(graph):
        visit(header)


def main():
    found = tree.Findings("layer", "thread", "basename")
    graph, names = {}, {}
    for path in tree.files(".c", ".h", ".cc", ".cpp", ".hpp"):
        text, code = tree.text(path), tree.code(path)
        for match in INCLUDE.finditer(text):
            check_include(found, path, line_of(text, match.start()), match.group(1))
            if path.suffix == ".h":
                graph.setdefault(str(path), []).append(match.group(1))
        if path.parts[0] in NO_THREADS:
            for match in THREAD_START.finditer(code):
                found.forbid(path, line_of(code, match.start()), "thread",
                             f"{path.parts[0]} starts no threads or processes: engine/runtime does")
        if path.name in names:
            found.forbid(path, 1, "basename", f"{names[path.name]} has this name: rename one")
        names.setdefault(path.name, path)
    check_cycles(found, graph)
    found.finish()


main()

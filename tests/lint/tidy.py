#!/usr/bin/env python3
"""Runs clang-tidy over every source of a build that clang configured: tidy.py BUILD_DIR [FILE...].

A file that passed is not checked again until it, a header of the tree that it includes, its compile
command or a .clang-tidy changes; the record is BUILD_DIR/tidy-passed.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree

CONFIGS = (".clang-tidy", "tests/.clang-tidy")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
FINDING = re.compile(r"^(/?[^\s:]+):(\d+):\d+: (?:warning|error): (.*)$", re.M)


def closure(path, seen):
    """The file and all headers of the tree below it."""
    if path in seen or not (tree.ROOT / path).exists():
        return seen
    seen.add(path)
    for target in INCLUDE.findall(tree.text(path)):
        closure(Path(target), seen)
    return seen


def key(path, command):
    digest = hashlib.sha256()
    for config in CONFIGS:
        digest.update((tree.ROOT / config).read_bytes())
    digest.update(command.encode())
    for part in sorted(closure(path, set())):
        digest.update(str(part).encode() + b"\0" + (tree.ROOT / part).read_bytes())
    return digest.hexdigest()


def run(build, path):
    done = subprocess.run(["clang-tidy", "--quiet", "-p", str(build), str(tree.ROOT / path)],
                          cwd=tree.ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def in_tree(build, where):
    """clang-tidy names files relative to the build folder or absolutely."""
    return Path(os.path.relpath(os.path.normpath(build.resolve() / where), tree.ROOT))


def main():
    build = Path(sys.argv[1])
    wanted = {Path(name) for name in sys.argv[2:]}
    record = build / "tidy-passed"
    passed = set(record.read_text().split()) if record.exists() else set()
    jobs = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = Path(os.path.relpath(Path(entry["directory"], entry["file"]).resolve(), tree.ROOT))
        if path.suffix == ".c" and path.parts[0] != ".." and (not wanted or path in wanted):
            jobs.setdefault(path, key(path, entry["command"]))
    todo = [path for path, digest in sorted(jobs.items()) if digest not in passed]
    found, printed = tree.Findings(), set()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, (code, out, errors) in zip(todo, pool.map(lambda p: run(build, p), todo)):
            # The analyzer also walks into the compiler's own headers; those are not ours to mend.
            ours = [(where, line, what) for where, line, what in FINDING.findall(out)
                    if in_tree(build, where).parts[0] != ".."]
            if not ours and (code == 0 or FINDING.search(out)):
                passed.add(jobs[path])
                continue
            if not ours:
                print(errors.rstrip())
                found.add(path, 1, "tidy", "clang-tidy could not read it")
            for where, line, what in ours:
                finding = (in_tree(build, where), line, what)
                if finding not in printed:
                    printed.add(finding)
                    found.add(finding[0], line, "tidy", what)
    record.write_text("\n".join(sorted(passed & set(jobs.values()))) + "\n" if not wanted else
                      "\n".join(sorted(passed)) + "\n")
    found.finish()


main()

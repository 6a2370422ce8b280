"""What the lint scripts share: the tree's files, C text without comments, findings, exceptions."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

C_TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*suffixes):
    """Paths of the tree with one of the suffixes, new files included, relative to its root."""
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = {Path(line) for line in out.splitlines()}
    return sorted(p for p in paths if p.suffix in suffixes and (ROOT / p).exists())


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def code(path):
    """C text with comments and strings blanked out; lines and columns stay where they are."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)
    return C_TOKEN.sub(blank, text(path))


class Findings:
    """Collects "file:line: rule: what to do" lines; allow.txt beside this file holds exceptions.

    An exception is a line "<rule> <path>[:<name>] [<number>]  # <reason>". With a number the limit
    is raised to it, and has to be lowered once the file has shrunk: exceptions only tighten.
    """

    def __init__(self, *rules):
        self.cnt = 0
        self.allowed, self.used = {}, set()
        for number, line in enumerate(text("tests/lint/allow.txt").splitlines(), 1):
            entry, _, reason = line.partition("#")
            words = entry.split()
            if not words or words[0] not in rules:
                continue
            if len(words) < 2 or not reason.strip():
                self.add("tests/lint/allow.txt", number, "allow", "give rule, path and reason")
                continue
            limit = int(words[2]) if len(words) > 2 else None
            self.allowed[(words[0], words[1])] = (limit, number)

    def add(self, path, line, rule, advice):
        print(f"{path}:{line}: {rule}: {advice}")
        self.cnt += 1

    def forbid(self, path, line, rule, advice):
        """A finding that an exception for the path may excuse."""
        key = (rule, str(path))
        if key in self.allowed:
            self.used.add(key)
        else:
            self.add(path, line, rule, advice)

    def limit(self, path, line, rule, value, limit, advice, name=None):
        """A finding where value is above the limit that holds for the path (and name)."""
        if value <= limit:
            return
        key = (rule, f"{path}:{name}" if name else str(path))
        allowed, number = self.allowed.get(key, (None, 0))
        if allowed is None or value > allowed:
            self.add(path, line, rule, f"{advice} ({value}, limit {allowed or limit})")
        elif value < allowed:
            self.add("tests/lint/allow.txt", number, "allow", f"lower {key[1]} to {value}")
        self.used.add(key)

    def finish(self):
        for key, (_, number) in self.allowed.items():
            if key not in self.used:
                self.add("tests/lint/allow.txt", number, "allow", f"{key[1]} needs it no longer")
        sys.exit(1 if self.cnt else 0)

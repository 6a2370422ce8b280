#!/usr/bin/env python3
"""Checks for words that do not belong into the tree, and says what to write instead."""

import re

import tree

# In C code outside comments and strings: pattern, rule, what to do.
CODE = [
    (r"(?<!asm )(?<!__asm__ )\bvolatile\b", "volatile",
     "shared fields are _Atomic with explicit orders; ThreadSanitizer reports volatile as a race"),
    (r"\b__sync_\w+", "sync", "use <stdatomic.h> with an explicit order"),
    (r"\batomic_thread_fence\b|\b__atomic_thread_fence\b", "fence",
     "put the order on the load or store it belongs to; ThreadSanitizer does not model fences"),
    (r"\b(?:strcpy|strcat|stpcpy|strncpy|strncat)\s*\(", "strcpy",
     "use snprintf, or memcpy with a size that was checked"),
    (r"\bv?sprintf\s*\(", "sprintf", "use snprintf"),
    (r"\bgets\s*\(", "gets", "use getline with a limit"),
    (r"\b(?:rand|srand|random|srandom)\s*\(", "rand", "use a seeded generator and print the seed"),
]
# In C code of the product only.
PRODUCT = [
    (r"(?<!static_)(?<!_)\bassert\s*\(", "assert",
     "use TM_CHECK or TM_DCHECK for bugs of ours, an error code for what a peer can cause"),
    (r"\b(?:atoi|atol|atoll|atof)\s*\(", "atoi",
     "use strtoll or strtod, check errno and where it ended"),
    (r"\bstrtok\s*\(", "strtok", "use strtok_r or a cursor"),
    (r"\b(?:localtime|gmtime|ctime|asctime)\s*\(", "localtime", "use the _r form"),
    (r"\b(?:alloca|__builtin_alloca)\s*\(", "alloca", "size it from a limit or allocate at start"),
    (r"\b(?:usleep|sleep)\s*\(", "sleep", "wait on what you wait for, with a deadline"),
]
# In any text, comments too.
TEXT = [
    (r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b", "mark",
     "do it now, or leave it out and open an issue"),
    (r"[ \t]+$", "trailing-space", "remove it"),
]
C = (".c", ".h", ".cc", ".cpp")
TABS = re.compile(r"^ *\t")


def scan(found, path, text, rules):
    for pattern, rule, advice in rules:
        for match in re.finditer(pattern, text, re.M):
            found.forbid(path, text.count("\n", 0, match.start()) + 1, rule, advice)


def main():
    found = tree.Findings(*[rule for _, rule, _ in CODE + PRODUCT + TEXT], "tab")
    for path in tree.files(*C):
        code = tree.code(path)
        scan(found, path, code, CODE)
        if path.parts[0] not in ("tests", "bench"):
            scan(found, path, code, PRODUCT)
    for path in tree.files(*C, ".py", ".md", ".build", ".txt", ".mjs", ".js"):
        text = tree.text(path)
        scan(found, path, text, TEXT)
        for number, line in enumerate(text.splitlines(), 1):
            if TABS.match(line):
                found.forbid(path, number, "tab", "indent with spaces")
    found.finish()


main()

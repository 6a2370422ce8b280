#!/usr/bin/env python3
"""Compiles every header alone, with gcc and with clang, so that it includes all that it needs.

A header that says extern "C" is also compiled as C++.
"""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import tree

FLAGS = ["-I", ".", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SIMD = ["-mavx2", "-mbmi", "-mbmi2", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl",
        "-mavx512vbmi", "-mavx512vbmi2", "-mavx512ifma"]


def runs(path):
    text = tree.text(path)
    isa = SIMD if "immintrin.h" in text else []
    for compiler in ("gcc", "clang"):
        yield [compiler, "-x", "c", "-std=gnu17", *FLAGS, *isa, "-include", str(path), "/dev/null"]
    if 'extern "C"' in text:
        yield ["clang", "-x", "c++", "-std=c++17", *FLAGS, *isa, "-include", str(path), "/dev/null"]


def compile_alone(job):
    path, command = job
    done = subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True)
    return path, command[0], done.returncode, done.stderr


def main():
    found = tree.Findings()
    jobs = [(path, command) for path in tree.files(".h") for command in runs(path)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, compiler, code, errors in pool.map(compile_alone, jobs):
            if code:
                print(errors.rstrip())
                found.add(path, 1, "alone", f"does not compile alone with {compiler}")
    found.finish()


main()

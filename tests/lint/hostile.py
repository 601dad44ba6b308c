#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""hostile.py ROOT - the list "Hostile input" of SECURITY.md and the tests are the same

A line of the list ends with the name of its test: `FILE CASE` in tests/hostile,
or `FILE` where a file is one test, or `FOLDER/FILE CASE` for a test that stands
elsewhere. Every test in tests/hostile has one line, and is run by meson.
"""
import os
import re
import sys

HELPERS = {"hostile.c", "toy_kem.c", "copyist.c", "common.sh"}
CASE = {
    ".c": re.compile(r'^\t\{ "(\w+)", \1 \},$|^\t\tcmocka_unit_test\w*\((\w+)', re.M),
    ".sh": re.compile(r"^case_(\w+)\(\) \{", re.M),
}


def cases(path):
    """The names of the cases in a file; None: there is no such file."""
    for suffix, pattern in CASE.items():
        if os.path.exists(path + suffix):
            text = open(path + suffix).read()
            return [next(filter(None, match.groups())) for match in pattern.finditer(text)]
    return None


root = sys.argv[1]
here = os.path.join(root, "tests/hostile")
registry = open(os.path.join(here, "meson.build")).read()
text = open(os.path.join(root, "SECURITY.md")).read()
section = text.split("\n## Hostile input\n", 1)[1].split("\n## ", 1)[0]
problems = []
listed = []
for line in section.splitlines():
    if not line.startswith("- "):
        continue
    match = re.search(r": `([\w/]+(?: \w+)?)`$", line)
    if not match:
        problems.append(f"SECURITY.md: a line without a test: {line}")
        continue
    listed.append(match.group(1))

tests = []
for name in sorted(os.listdir(here)):
    stem, suffix = os.path.splitext(name)
    if suffix not in CASE or name in HELPERS:
        continue
    if not re.search(rf"'{stem}'", registry):
        problems.append(f"tests/hostile/{name} is not run by meson")
    tests += [f"{stem} {case}" for case in cases(os.path.join(here, stem))] or [stem]

for name in sorted(set(listed) | set(tests)):
    if listed.count(name) > 1 or tests.count(name) > 1:
        problems.append(f"{name}: there are two of it")
    if "/" in name:
        file, _, case = name.partition(" ")
        found = cases(os.path.join(root, "tests", file))
        if found is None or case and case not in found:
            problems.append(f"SECURITY.md: there is no test {name}")
    elif name not in tests:
        problems.append(f"SECURITY.md: there is no test {name} in tests/hostile")
    elif name not in listed:
        problems.append(f"tests/hostile: no line of SECURITY.md is about {name}")
print("\n".join(problems) or f"{len(listed)} lines, {len(tests)} tests in tests/hostile")
sys.exit(bool(problems))

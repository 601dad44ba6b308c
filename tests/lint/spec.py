#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""spec.py ROOT [--list] - rules, code and tests match

Every rule of PROTOCOL.md ("- [SJ-XX-1] ...") has an id of its own, is cited in
brackets beside the code that keeps it (src, include) and by a test; a MUST is part of a
rule; what is cited is there. The second implementation is no test, but what judges
with it (observer.py, the cases) is. --list says where each rule is cited.
"""
import os
import re
import sys

TESTS = ("unit", "sim", "interop", "e2e", "cli", "hostile", "vectors")
NO_TEST = os.path.join("tests", "interop", "sojourn_oracle")
ID = r"\bSJ-[A-Z]+-\d+\b"


def rules_of(text, problems):
    """{id: text}, and what is wrong with the document alone."""
    rules, current = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        start = re.match(rf"- \[({ID})\] \S", line)
        if start:
            current = start.group(1)
            if current in rules:
                problems.append(f"PROTOCOL.md:{number}: {current} a second time")
            rules[current] = ""
        elif not line.startswith("  "):
            current = None
        if current:
            rules[current] += line + "\n"
        elif "MUST" in line:
            problems.append(f"PROTOCOL.md:{number}: a MUST without an id")
    for one in re.findall(rf"\[({ID})\]", text):
        if one not in rules:
            problems.append(f"PROTOCOL.md: {one} is mentioned and is no rule")
    return rules


def files(root, *tops):
    for top in tops:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".py", ".sh")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def cited(root, paths, pattern):
    """{id: files}"""
    found = {}
    for path in paths:
        with open(os.path.join(root, path), errors="replace") as file:
            for one in re.findall(pattern, file.read()):
                found.setdefault(one, set()).add(path)
    return found


def check(root):
    """(rules, code, tests, problems)"""
    problems = []
    with open(os.path.join(root, "PROTOCOL.md")) as file:
        rules = rules_of(file.read(), problems)
    code = cited(root, files(root, "src", "include"), rf"\[({ID})\]")
    judges = [path for path in files(root, *(f"tests/{name}" for name in TESTS))
              if not path.startswith(NO_TEST) or path.endswith("observer.py")]
    tests = cited(root, judges, ID)
    for what, found in (("code", code), ("test", tests)):
        problems += [f"{one}: no {what} cites it" for one in rules if one not in found]
        problems += [f"{one}, cited in {', '.join(sorted(where))}, is not in PROTOCOL.md"
                     for one, where in found.items() if one not in rules]
    return rules, code, tests, problems


def main(root, *options):
    rules, code, tests, problems = check(root)
    if "--list" in options:
        for one in rules:
            print(one, *sorted(code.get(one, ["-"])), "|", *sorted(tests.get(one, ["-"])))
    print("\n".join(sorted(problems)) or f"{len(rules)} rules, each kept by code and by a test")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

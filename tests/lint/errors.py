#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""errors.py ROOT [--write] - docs/errors.md says what the table in sojourn.h says, a test provokes each

--write makes it anew. A test provokes an error with `provokes NAME ...` or `said_of NAME
...` (shell, tests/cli/common.sh) or PROVOKES(NAME, ...) (C).
"""
import os
import re
import sys

CLASSES = {
    "CALLER": ("program", "a mistake in the program, or a limit was reached"),
    "LOCAL": ("local", "this machine"),
    "NETWORK": ("network", "on the way to the server; the login is not lost by it"),
    "LOGIN": ("login", "it never became a session"),
    "SESSION": ("session", "it is over; log in again"),
    "STREAM": ("stream", "the session is well"),
}
HEAD = """# Errors

Made by `./dev map` from the table in `include/sojourn.h`; do not edit. The class is what the command
prints after `sojourn:` and says who can do something about it; what is wrong with its own words is of the class `usage`.
"""


def provoked(tests):
    """the names of all errors that some test provokes"""
    names = set()
    for folder, _, files in os.walk(tests):
        for file in files:
            if file.endswith((".sh", ".c")):
                text = open(os.path.join(folder, file)).read()
                names |= set(re.findall(r"^\s*(?:\w+\) )?(?:provokes|said_of) (SJ_ERR_\w+) |PROVOKES\((SJ_ERR_\w+),",
                                        text, re.M))
    return {name for pair in names for name in pair if name}


def rows(text):
    """(name, value, class, sentence, next step)"""
    table = text[text.index("#define SJ_ERRORS(X)"):text.index("enum sj_err {")]
    return re.findall(r'X\((\w+), (-?\d+), ([A-Z]+), "([^"]*)", "([^"]*)"\)', table), table.count("X(")


def page(errors):
    parts = [HEAD]
    for name, (word, meaning) in CLASSES.items():
        lines = [f"| {error} | {value} | {text} | {next_step} |"
                 for error, value, class_, text, next_step in errors if class_ == name]
        parts.append(f"\n## {word}: {meaning}\n\n| name | value | what happened | what to do |\n|---|---|---|---|\n" +
                     "\n".join(lines) + "\n")
    others = [f"`{error}` ({value}): {text}." for error, value, class_, text, _ in errors if class_ == "NONE"]
    return "".join(parts) + "\nNot errors: " + " ".join(others) + "\n"


root = sys.argv[1]
found, count = rows(open(os.path.join(root, "include/sojourn.h")).read())
path = os.path.join(root, "docs/errors.md")
new = page(found)
if "--write" in sys.argv[2:]:
    with open(path, "w") as file:
        file.write(new)
problems = []
if len(found) != count or {row[2] for row in found} - set(CLASSES) - {"NONE"}:
    problems.append("sojourn.h: a row of the table is not understood")
if not os.path.exists(path) or open(path).read() != new:
    problems.append("docs/errors.md is not what sojourn.h says; ./dev map makes it anew")
seen = provoked(os.path.join(root, "tests"))
for name in (row[0] for row in found if row[2] != "NONE"):
    if name not in seen:
        problems.append(f"{name}: no test provokes it")
problems += [f"{name}: a test provokes it, and it is not in the table" for name in seen - {row[0] for row in found}]
print("\n".join(problems) or f"{count} rows, all of them in docs/errors.md and provoked")
sys.exit(bool(problems))

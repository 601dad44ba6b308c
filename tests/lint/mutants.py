#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""mutants.py ROOT BUILD - every mutant fits the sources as they are

What it changes stands there once, the tests it names exist, the rules it breaks are
those of PROTOCOL.md, and all of them. Whether the tests go red, `./dev test --mutants` finds out.
"""
import json
import os
import re
import sys

root, build = sys.argv[1:]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(root, "tests/mutants"))
from mutants import Mutant, Trouble  # noqa: E402

tests = {test["name"] for test in json.load(open(os.path.join(build, "meson-info/intro-tests.json")))}
rules = set(re.findall(r"^- \[(SJ-[A-Z]+-\d+)\]", open(os.path.join(root, "PROTOCOL.md")).read(), re.M))
folder = os.path.join(root, "tests/mutants")
problems, broken, count = [], set(), 0
for file in sorted(os.listdir(folder)):
    if not file.endswith(".mutant"):
        continue
    count += 1
    try:
        mutant = Mutant(os.path.join(folder, file))
        mutant.changed(root)
    except (Trouble, OSError) as trouble:
        problems.append(str(trouble))
        continue
    named = set(re.findall(r"\[(SJ-[A-Z]+-\d+)\]", mutant.breaks))
    problems += [f"{mutant.name}: there is no test {words[0]}" for words in mutant.tests if words[0] not in tests]
    problems += [f"{mutant.name}: {rule} is not in PROTOCOL.md" for rule in sorted(named - rules)]
    broken |= named
problems += [f"{rule}: no mutant breaks it" for rule in sorted(rules - broken)]
if not rules:
    problems.append("PROTOCOL.md has no rules")
print("\n".join(problems) or f"{count} mutants, {len(rules)} rules broken by them")
sys.exit(bool(problems))

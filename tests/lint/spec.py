#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""spec.py ROOT - ids quoted in the code are those of PROTOCOL.md"""
import os
import re
import sys

root = sys.argv[1]
text = open(os.path.join(root, "PROTOCOL.md")).read()
known = re.findall(r"^- \[(SJ-[A-Z]+-\d+)\]", text, re.M)
problems = [f"{one} stands twice in PROTOCOL.md" for one in set(known) if known.count(one) > 1]
quoted = set()
for top in ("src", "tests", "include"):
    for folder, _, files in os.walk(os.path.join(root, top)):
        for file in files:
            if file.endswith((".c", ".h", ".py", ".sh")) and file != "spec.py":
                found = re.findall(r"\[(SJ-[A-Z]+-\d+)\]", open(os.path.join(folder, file), errors="replace").read())
                problems += [f"{file}: {one} is not in PROTOCOL.md" for one in found if one not in known]
                quoted.update(found)
print("\n".join(sorted(set(problems))) or f"{len(known)} rules, {len(quoted)} of them quoted")
sys.exit(bool(problems))

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""map.py ROOT - the source map of ARCHITECTURE.md names every file, and every test is registered"""
import os
import re
import sys

root = sys.argv[1]
text = open(os.path.join(root, "ARCHITECTURE.md")).read()
part = text[text.index("## Source map"):]
named = set(re.findall(r"^    (\S+/\S+\.[ch])\b", part, re.M))
there = set()
for top in ("include", "src"):
    for folder, _, files in os.walk(os.path.join(root, top)):
        there |= {os.path.relpath(os.path.join(folder, file), root).replace("src/", "", 1)
                  for file in files if file.endswith((".c", ".h"))}
problems = [f"{one} is not in the map" for one in sorted(there - named)]
problems += [f"{one} is in the map and gone" for one in sorted(named - there)]
registry = open(os.path.join(root, "tests/meson.build")).read()
for file in sorted(os.listdir(os.path.join(root, "tests/unit"))):
    match = re.match(r"test_(\w+)\.c$", file)
    if match and f"'{match.group(1)}'" not in registry:
        problems.append(f"tests/unit/{file} is not registered")
print("\n".join(problems) or f"{len(there)} files, all on the map")
sys.exit(bool(problems))

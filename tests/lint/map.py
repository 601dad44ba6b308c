#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""map.py ROOT [--write] - the source map of ARCHITECTURE.md names every file, and every test is registered

--write makes the map anew from the first comment of each file, "FILE - what it is".
"""
import os
import re
import sys

HEADING = "## Source map\n\n"
FOLDERS = ("include", "src/core", "src/mech", "src/store", "src/io", "src/sim", "src/tool", "src/cmd", "src/serve")


def description(path):
    text = open(path).read()
    name = re.escape(os.path.basename(path))
    match = re.search(r"/?\* (?:[a-z]+/)?" + name + r" - (.*?)(?:\*/|\n \*\n|\n \*/)", text, re.S)
    words = re.sub(r"\s*\n \*\s*", " ", match.group(1)).strip() if match else ""
    return description(path[:-2] + ".h") if words.startswith("see ") and path.endswith(".c") else words


def write(root):
    blocks = []
    for folder in FOLDERS:
        names = sorted(name for name in os.listdir(os.path.join(root, folder)) if name.endswith((".c", ".h")))
        blocks.append("\n".join(
            f"    {(folder + '/' + name).replace('src/', '', 1):<32}"
            f"{description(os.path.join(root, folder, name))[:90]}".rstrip() for name in names))
    path = os.path.join(root, "ARCHITECTURE.md")
    text = open(path).read()
    with open(path, "w") as file:
        file.write(text[:text.index(HEADING)] + HEADING + "\n\n".join(blocks) + "\n")


root = sys.argv[1]
if "--write" in sys.argv[2:]:
    write(root)
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

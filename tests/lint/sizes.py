#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""sizes.py ROOT - how long functions and files are; it only prints

A function is what stands between a { and a } in the first column that follow a
line "name(...", its lines counted with both braces.
"""
import os
import re
import sys

FUNCTION_LINES = 70
FILE_LINES = 800

root = sys.argv[1]
functions = []
files = []
for top in ("include", "src"):
    for folder, _, names in os.walk(os.path.join(root, top)):
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            path = os.path.join(folder, name)
            lines = open(path).read().splitlines()
            short = os.path.relpath(path, root)
            files.append((len(lines), short))
            called = begin = None
            for number, line in enumerate(lines, 1):
                match = re.match(r"([a-z_]\w*)\(", line)
                if match:
                    called = match.group(1)
                elif line == "{" and called:
                    begin = number
                elif line == "}" and begin:
                    functions.append((number - begin + 1, f"{short}:{begin} {called}"))
                    called = begin = None
                elif line == "" or line.endswith(";"):
                    called = called if begin else None
lengths = sorted(length for length, _ in functions)
long_functions = sorted(one for one in functions if one[0] > FUNCTION_LINES)
long_files = sorted(one for one in files if one[0] > FILE_LINES)
print(f"{len(files)} files, {sum(one[0] for one in files)} lines; {len(functions)} functions, "
      f"median {lengths[len(lengths) // 2]} lines, 95th percentile {lengths[len(lengths) * 95 // 100]}")
for limit, kind, found in ((FUNCTION_LINES, "functions", long_functions), (FILE_LINES, "files", long_files)):
    print(f"{len(found)} {kind} over {limit} lines")
    for length, where in reversed(found):
        print(f"  {length:4} {where}")

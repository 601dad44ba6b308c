#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""numbers.py ROOT CC - PROTOCOL.md's numbers, states and excerpt are the code's

The values of the tables in section 11 are compared with what the compiler says; the
states that section 10 names are all there are; the bytes of section 12 stand in the
test vectors.
"""
import os
import re
import subprocess
import sys
import tempfile

root, compiler = sys.argv[1:]
with open(os.path.join(root, "PROTOCOL.md")) as file:
    text = file.read()
problems = []
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": 10 ** 9, "ms": 10 ** 6}
HEADERS = ("core/channel_internal.h", "core/endpoint_internal.h", "core/session_internal.h", "core/farewell.h")


def section(number):
    return text.partition(f"\n## {number}. ")[2].partition("\n## ")[0]


def value_of(words):
    """1,200; 0x20; 2^62 - 1; 16 KiB; 60 s; None: no number"""
    power = re.fullmatch(r"2\^(\d+)(?: - (\d+))?", words)
    if power:
        return (1 << int(power.group(1))) - int(power.group(2) or 0)
    plain = re.fullmatch(r"(0x[0-9a-f]+|[\d,]+) ?([A-Za-z]*)", words)
    if not plain or plain.group(2) not in UNITS:
        return None
    return int(plain.group(1).replace(",", ""), 0) * UNITS[plain.group(2)]


def sources():
    folder = os.path.join(root, "src/core")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".c"):
            with open(os.path.join(folder, name)) as file:
                yield file.read()


def compiled(names):
    """{name: value}; what a .c file defines for itself is taken from there."""
    program = ["#include <stdio.h>"] + [f'#include "{name}"' for name in HEADERS]
    for code in sources():
        own = {line.split()[1]: line for line in re.findall(r"^#define \w+ .*$", code, re.M)}
        wanted = [name for name in own if name in names]
        wanted += [word for name in wanted for word in re.findall(r"\w+", own[name]) if word in own and word not in wanted]
        program += [own[name] for name in own if name in wanted]
    program += ["int main(void) {"]
    program += [f'\tprintf("{name} %llu\\n", (unsigned long long)({name}));' for name in names]
    program += ["\treturn 0;", "}", ""]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "numbers.c")
        with open(path, "w") as file:
            file.write("\n".join(program))
        done = subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-I", os.path.join(root, "include"), "-I",
                               os.path.join(root, "src"), "-w", path, "-o", path + ".out"], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"a name that the code does not have:\n{done.stderr}")
        out = subprocess.run([path + ".out"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {line.split()[0]: int(line.split()[1]) for line in out.splitlines()}


rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section(11), re.M)
names = [name for name, _ in rows]
problems += [f"{name} stands twice" for name in set(names) if names.count(name) > 1]
code = compiled(names)
for name, words in rows:
    if value_of(words.strip()) != code[name]:
        problems.append(f"{name} is {code[name]}, and not {words}")

for prefix, header in (("CHANNEL", "channel.h"), ("SESSION", "session.h")):
    with open(os.path.join(root, "src/core", header)) as file:
        body = re.search(rf"^enum {prefix.lower()}_state {{(.*?)^}};", file.read(), re.M | re.S).group(1)
    real, drawn = set(re.findall(rf"\b{prefix}_[A-Z]+\b", body)), set(re.findall(rf"\b{prefix}_[A-Z]+\b", section(10)))
    problems += [f"section 10 does not name {name}" for name in real - drawn]
    problems += [f"section 10 names {name}, which is no state" for name in drawn - real]

with open(os.path.join(root, "tests/vectors/sojourn/login.json")) as file:
    vectors = file.read()
excerpt = re.findall(r"^    (\w+ |         ) *([0-9a-f]+)$", section(12), re.M)
joined = {}
for name, part in excerpt:
    last = name.strip() or last
    joined[last] = joined.get(last, "") + part
for name, part in joined.items():
    if f'"{part}"' not in vectors and name != "number":
        problems.append(f"section 12: {name} is not in the vectors")
if len(rows) < 50 or len(joined) < 9:
    problems.append("tables or excerpt are not found")
print("\n".join(sorted(problems)) or f"{len(rows)} numbers, {len(joined)} values of the excerpt")
sys.exit(bool(problems))

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""man.py ROOT PROGRAM - the manual says what the program says

Every verb has a page with the options of its --help; sojourn-serve(8) has every
keyword, log line and variable that src/serve has; the program in libsojourn(3)
compiles.
"""
import os
import re
import subprocess
import sys

OPTION = r"(?<![\w-])(--[a-z][a-z-]*|-[A-Za-z])(?![\w-])"
LONG = {"-i": "--key", "-q": "--quiet", "-v": "--verbose"}  # what --help calls by the letter

root, program = sys.argv[1:]
problems = []


def page(name, section):
    path = os.path.join(root, "docs/man", f"{name}.{section}.scd")
    if not os.path.exists(path):
        problems.append(f"{name}({section}): there is no page")
        return ""
    return open(path).read()


def options_of(text):
    """what stands in bold in the lines of the part OPTIONS that are not indented"""
    part = text.partition("\n# OPTIONS\n")[2].partition("\n# ")[0]
    words = [word for line in part.splitlines() if not line.startswith("\t")
             for word in re.findall(r"\*(-+[^*]+)\*", line)]
    return {word for word in words if word not in LONG.values()}


def serve_names():
    """(what, name) that the page of the server must have"""
    folder = os.path.join(root, "src/serve")
    for file in sorted(file for file in os.listdir(folder) if file.endswith(".c")):
        text = open(os.path.join(folder, file)).read()
        text = re.sub(r'"\s*\n\s*"', "", text)
        for name in re.findall(r'log_event\([^"]*"([a-z-]+)', text):
            yield "log line", name
        for name in re.findall(r'strcasecmp\(keyword, "(\w+)"', text):
            yield "keyword", name
        for name in re.findall(r'"([A-Z_]+)=",', text):
            yield "variable", name


source = open(os.path.join(root, "src/cmd/sojourn.c")).read()
verbs = re.findall(r'^\t\{ "([a-z]+)", cmd_', source, re.M)
overview = page("sojourn", 1)
for verb in verbs:
    if not re.search(rf"^\*{verb}\*", overview, re.M):
        problems.append(f"sojourn(1): does not name the verb {verb}")
    if verb in ("help", "version"):
        continue
    words = subprocess.run([program, verb, "--help"], stdout=subprocess.PIPE, check=True, text=True).stdout
    told = set(re.findall(OPTION, words))
    written = options_of(page(f"sojourn-{verb}", 8 if verb == "serve" else 1))
    problems += [f"sojourn-{verb}: {one} is in --help and not in the page" for one in sorted(told - written)]
    problems += [f"sojourn-{verb}: {one} is in the page and not in --help" for one in sorted(written - told)]
server = page("sojourn-serve", 8)
for what, name in sorted(set(serve_names())):
    if not re.search(rf"\*{name}\*", server):
        problems.append(f"sojourn-serve(8): does not tell of the {what} {name}")
example = page("libsojourn", 3).partition("\n# EXAMPLE\n")[2].split("```")
command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
           "-I", os.path.join(root, "include"), "-"]
if len(example) < 2 or subprocess.run(command, input=example[1], text=True, check=False).returncode != 0:
    problems.append("libsojourn(3): its example does not compile")
print("\n".join(problems) or f"{len(verbs)} verbs, all of them in the manual")
sys.exit(bool(problems) or not verbs)

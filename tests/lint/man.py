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
sys.path.insert(0, os.path.join(root, "docs"))
sys.dont_write_bytecode = True
import manual  # noqa: E402  (where the pages of section 3 come from)

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


def nouns():
    """checks the pages of section 3 against the headers; how many calls there are"""
    include = os.path.join(root, "include")
    folder = os.path.join(root, "docs/man")
    pages = sorted(os.path.join(folder, file) for file in os.listdir(folder) if file.startswith("sj_"))
    build = open(os.path.join(root, "docs/meson.build")).read()
    problems.extend(f"{path}: not in docs/meson.build" for path in pages
                    if f"'{os.path.basename(path).split('.')[0]}'" not in build)
    where = [name for name, _ in manual.links(pages, include)]
    written = "".join(manual.page_of(path, include) for path in pages)
    count = 0
    for file in sorted(os.listdir(include)):
        header = os.path.join(include, file)
        for name, _, comment in manual.calls(header):
            count += 1
            if where.count(name) != 1:
                problems.append(f"{name}: is in {where.count(name)} pages of nouns")
            if not comment:
                problems.append(f"{name}: {file} does not say what it does")
        for kind in re.findall(r"^(?:struct|enum) sj_\w+ \{", open(header).read(), re.M):
            if kind not in written and kind != "enum sj_err {":
                problems.append(f"{kind[:-2]}: in no page")
    return count


def examples():
    """the programs in the pages of section 3 compile"""
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
               "-I", os.path.join(root, "include"), "-"]
    for file in sorted(os.listdir(os.path.join(root, "docs/man"))):
        if not file.endswith(".3.scd"):
            continue
        parts = page(file[:-len(".3.scd")], 3).partition("\n# EXAMPLE\n")[2].split("```")
        if len(parts) < 2 or subprocess.run(command, input=parts[1], text=True, check=False).returncode != 0:
            problems.append(f"{file}: its example does not compile")


call_count = nouns()
examples()
print("\n".join(problems) or f"{len(verbs)} verbs and {call_count} calls, all of them in the manual")
sys.exit(bool(problems) or not verbs or not call_count)

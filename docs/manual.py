#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""manual.py INCLUDE PAGE... - a page of section 3 out of what is written and the headers

The headers are the reference: what a call does is said there once, and taken from
there. A page (docs/man/sj_NOUN.3.scd) has lines between @ that are replaced:

    @synopsis HEADER PATTERN...@  the declarations of the calls
    @calls HEADER PATTERN...@     the calls and their comments
    @type HEADER NAME...@         struct, enum or macro NAME as the header has it

Prints scdoc's text of the page. --links prints "CALL PAGE" for every call.
"""
import fnmatch
import os
import re
import sys

COMMENT_OR_CALL = re.compile(r"/\*.*?\*/|^SJ_API [^;]*;|^[^\n]*\S[^\n]*$", re.S | re.M)


def text_of(comment):
    lines = [re.sub(r"^\s*/?\*+/? ?", "", line).rstrip() for line in comment[:-2].splitlines()]
    return " ".join(line for line in lines if line).strip()


def calls(header):
    """[(name, declaration, comment)]: a call without a comment shares that of the one before it"""
    found, comment = [], ""
    for match in COMMENT_OR_CALL.finditer(open(header).read()):
        word = match.group(0)
        if word.startswith("/*"):
            comment = "" if word.startswith("/* ---") else text_of(word)
        elif word.startswith("SJ_API"):
            plain = re.sub(r"\s+", " ", re.sub(r"\b(SJ_API|SJ_MUST_CHECK|extern) ", "", word))
            name = re.search(r"\b(sj_\w+)\s*[(;]", plain).group(1)
            found.append((name, plain, comment))
        else:
            comment = ""
    return found


def type_text(header, name):
    text = open(header).read()
    match = re.search(rf"^(struct|enum) {name} \{{.*?^\}};[^\n]*$|^#define {name}\b(.*\\\n)*.*$|^enum {name} \{{.*\}};$",
                      text, re.S | re.M)
    if match is None:
        sys.exit(f"manual.py: {header} has no {name}")
    return match.group(0).expandtabs(8)


def escaped(text):
    return re.sub(r"([\\*_`+<>\[\]|#~-])", r"\\\1", text)


def selected(header, patterns):
    return [call for call in calls(header) if any(fnmatch.fnmatchcase(call[0], one) for one in patterns)]


def wrapped(declaration):
    lines, line = [], ""
    for part in re.split(r"(?<=,) ", declaration):
        if line and len(line) + len(part) > 74:
            lines.append(line)
            line = "   "
        line = f"{line} {part}" if line else part
    return "\n".join(lines + [line])


def expand(line, include):
    words = line.strip("@\n").split()
    header = os.path.join(include, words[1])
    if words[0] == "type":
        return "```\n" + "\n\n".join(type_text(header, name) for name in words[2:]) + "\n```\n"
    chosen = selected(header, words[2:])
    if not chosen:
        sys.exit(f"manual.py: nothing in {line}")
    if words[0] == "synopsis":
        return f"*#include <{words[1]}>*\n\n```\n" + "\n".join(wrapped(call[1]) for call in chosen) + "\n```\n"
    parts, names = [], []
    for i, (name, declaration, comment) in enumerate(chosen):
        names.append(f"*{escaped(name)}*" + ("()" if "(" in declaration else ""))
        if i + 1 < len(chosen) and chosen[i + 1][2] == comment:
            continue
        parts.append(", ".join(names) + "\n\t" + escaped(comment) + "\n")
        names = []
    return "\n".join(parts)


def page_of(path, include):
    return "".join(expand(line, include) if re.match(r"@(synopsis|calls|type) ", line) else line
                   for line in open(path))


def links(paths, include):
    for path in paths:
        for line in open(path):
            if line.startswith("@calls "):
                words = line.strip("@\n").split()
                for name, _, _ in selected(os.path.join(include, words[1]), words[2:]):
                    yield name, os.path.basename(path)[:-len(".scd")]


if __name__ == "__main__":
    arguments = [word for word in sys.argv[1:] if word != "--links"]
    if "--links" in sys.argv:
        print("\n".join(f"{name} {page}" for name, page in links(arguments[1:], arguments[0])))
    else:
        print(page_of(arguments[1], arguments[0]), end="")

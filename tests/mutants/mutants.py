# SPDX-License-Identifier: ISC
"""mutants.py - what a file tests/mutants/NAME.mutant says

    Breaks: the promise that no longer holds, with the ids of PROTOCOL.md
    Red: TEST [ARGUMENT...]         a test of meson that notices; each one named has to
    Hangs: TEST [ARGUMENT...]       likewise, and not to come to an end is how it may notice
    In: FILE
     a line that stays, to tell equal ones apart
    -a line that goes
    +a line that takes its place

Lines stand one behind the other in FILE, exactly once; blanks at their ends do not
matter. Several parts In: may follow each other.
"""
import os
import shlex


class Trouble(Exception):
    """a mutant that is not understood, or does not fit the sources"""


class Mutant:
    def __init__(self, path):
        self.name = os.path.basename(path)[:-len(".mutant")]
        self.breaks, self.tests, self.parts = "", [], []
        self.may_hang = set()
        for line in open(path):
            self.take(line.rstrip("\n"))
        if not self.breaks or not self.tests or not self.parts:
            raise Trouble(f"{self.name}: needs Breaks:, Red: or Hangs:, and In:")
        for file, lines in self.parts:
            if not any(sign in "+-" for sign, _ in lines):
                raise Trouble(f"{self.name}: changes nothing in {file}")

    def take(self, line):
        word, _, rest = line.partition(": ")
        if line[:1] in (" ", "-", "+") and self.parts:
            self.parts[-1][1].append((line[0], line[1:].strip()))
        elif word == "Breaks":
            self.breaks = f"{self.breaks} {rest}".strip()
        elif word in ("Red", "Hangs"):
            self.tests.append(tuple(shlex.split(rest)))
            if word == "Hangs":
                self.may_hang.add(self.tests[-1])
        elif word == "In":
            self.parts.append((rest, []))
        elif line:
            raise Trouble(f"{self.name}: not understood: {line}")

    def changed(self, root):
        """{file: its text with the promise broken}"""
        texts = {}
        for file, lines in self.parts:
            if file not in texts:
                texts[file] = open(os.path.join(root, file)).read().splitlines()
            texts[file] = self.change(file, lines, texts[file])
        return {file: "\n".join(text) + "\n" for file, text in texts.items()}

    def change(self, file, lines, text):
        old = [line for sign, line in lines if sign in " -"]
        new = [line for sign, line in lines if sign in " +"]
        bare = [line.strip() for line in text]
        places = [at for at in range(len(bare)) if bare[at:at + len(old)] == old]
        if not old or len(places) != 1:
            raise Trouble(f"{self.name}: stands {len(places)} times in {file}, not once:\n  " + "\n  ".join(old))
        return text[:places[0]] + new + text[places[0] + len(old):]


def read(folder, names=()):
    """the mutants of those names, or all"""
    found = sorted(file[:-len(".mutant")] for file in os.listdir(folder) if file.endswith(".mutant"))
    for name in names:
        if name not in found:
            raise Trouble(f"there is no mutant {name}")
    return [Mutant(os.path.join(folder, f"{name}.mutant")) for name in (names or found)]

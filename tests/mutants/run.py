#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""run.py ROOT [NAME...] - breaks every promise once; its test has to go red

Works on a copy, ROOT/build/mutants/tree, that is built once and then a little again
for each mutant. A test that is skipped, that hangs, or a mutant that does not build
proves nothing, so it counts as one that nobody noticed.
"""
import json
import os
import shutil
import subprocess
import sys
import time

from mutants import Trouble, read

SKIPPED = 77
# Without link time optimisation, which is most of the time of a build.
OPTIONS = ["-Dbuildtype=debug", "-Doptimization=g", "-Dwerror=false"]


def files_of(root):
    """the sources as they stand, committed or not"""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE)
    if listed.returncode == 0:
        return [name for name in os.fsdecode(listed.stdout).split("\0") if name]
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in ("build", "__pycache__")]
        names += [os.path.relpath(os.path.join(folder, file), root) for file in files]
    return names


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    # ninja goes by the time of a file, and two writes may share one
    now = time.time_ns()
    os.utime(path, ns=(now, now))


def copy_tree(root, tree):
    """only what differs is written, so that little is built again"""
    wanted = {name for name in files_of(root) if os.path.isfile(os.path.join(root, name))}
    for folder, _, files in os.walk(tree):
        for file in files:
            if os.path.relpath(os.path.join(folder, file), tree) not in wanted:
                os.unlink(os.path.join(folder, file))
    for name in wanted:
        source, target = os.path.join(root, name), os.path.join(tree, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target) or open(source, "rb").read() != open(target, "rb").read():
            shutil.copy(source, target)


class Build:
    def __init__(self, tree, folder):
        self.tree, self.folder = tree, folder
        if not os.path.exists(os.path.join(folder, "build.ninja")):
            self.call(["meson", "setup", *OPTIONS, folder, tree])
        self.call(["ninja", "-C", folder, "build.ninja"])
        self.tests = {test["name"]: test for test in self.told("intro-tests.json")}
        self.files = {target["id"]: target["filename"] for target in self.told("intro-targets.json")}

    def call(self, words):
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            errors = [line for line in done.stdout.splitlines() if "error" in line.lower()]
            raise Trouble(f"{' '.join(words)}:\n" + "\n".join(errors or [done.stdout[-3000:]]))

    def told(self, name):
        return json.load(open(os.path.join(self.folder, "meson-info", name)))

    def make(self, tests):
        """what these tests need"""
        targets = set()
        for name, *_ in tests:
            if name not in self.tests:
                raise Trouble(f"there is no test {name}")
            test = self.tests[name]
            for target in test["depends"]:
                targets.update(self.files[target])
            if test["cmd"][0].startswith(self.folder):
                targets.add(test["cmd"][0])
        self.call(["ninja", "-C", self.folder, *sorted(os.path.relpath(target, self.folder) for target in targets)])

    def run(self, words):
        """how a test ends: green, red, or a word that says why it proves nothing"""
        test = self.tests[words[0]]
        with open(os.path.join(self.folder, "test.log"), "w") as log:
            process = subprocess.Popen([*test["cmd"], *words[1:]], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, env={**os.environ, **test["env"]},
                                       cwd=test["workdir"] or self.folder, start_new_session=True)
            try:
                code = process.wait(4 * test["timeout"])
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
                return "hangs"
        return "green" if code == 0 else "skipped" if code == SKIPPED else "red"


def log_of(build):
    return open(os.path.join(build.folder, "test.log"), errors="replace").read()[-3000:]


def judge(build, mutant):
    """(what became of it, whether that is as it should be)"""
    before = {file: open(os.path.join(build.tree, file)).read() for file, _ in mutant.parts}
    try:
        for file, text in mutant.changed(build.tree).items():
            write(os.path.join(build.tree, file), text)
        build.make(mutant.tests)
        for words in mutant.tests:
            result = build.run(words)
            if result != "red":
                return f"STAYS GREEN: {' '.join(words)} {'' if result == 'green' else result}".rstrip(), False
        return "red", True
    except Trouble as trouble:
        return f"DOES NOT BUILD\n{trouble}", False
    finally:
        for file, text in before.items():
            write(os.path.join(build.tree, file), text)


def main(root, names):
    mutants = read(os.path.join(root, "tests/mutants"), names)
    folder = os.path.join(root, "build/mutants")
    os.makedirs(os.path.join(folder, "tree"), exist_ok=True)
    copy_tree(root, os.path.join(folder, "tree"))
    build = Build(os.path.join(folder, "tree"), os.path.join(folder, "build"))
    tests = sorted({words for mutant in mutants for words in mutant.tests})
    build.make(tests)
    for words in tests:
        result = build.run(words)
        if result != "green":
            raise Trouble(f"{' '.join(words)}: {result} with nothing broken\n{log_of(build)}")
    print(f"{len(tests)} tests, all green with nothing broken", flush=True)
    red = 0
    for mutant in mutants:
        start = time.monotonic()
        text, good = judge(build, mutant)
        red += good
        print(f"{mutant.name:32} {time.monotonic() - start:6.1f} s  {text}", flush=True)
    print(f"{red} red, {len(mutants) - red} green")
    return red < len(mutants)


if __name__ == "__main__":
    try:
        sys.exit(main(os.path.realpath(sys.argv[1]), sys.argv[2:]))
    except Trouble as trouble:
        sys.exit(f"mutants: {trouble}")

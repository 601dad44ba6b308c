#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""run.py ROOT [NAME...] - breaks every promise once; its test has to go red

Works on a copy, ROOT/build/mutants/tree, that is built once and then a little again
for each mutant. A test that is skipped, that somebody kills, that hangs though the
mutant does not say so, or a mutant that does not build proves nothing, so it counts
as one that nobody noticed.
"""
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time

from mutants import Trouble, read

SKIPPED = 77
# What ends a test and is not its own doing; a shell says 128 more.
BY_HAND = {signal.SIGHUP, signal.SIGINT, signal.SIGKILL, signal.SIGTERM}
# Seconds to wait at least, and times that the test takes with nothing broken. Long: a
# busy machine is no hang.
PATIENCE = 120, 20
PATIENCE_FOR_HANGS = 30, 10
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

    def run(self, words, limit_s):
        """how a test ends: green, red, or a word that says why it proves nothing"""
        test = self.tests[words[0]]
        with open(os.path.join(self.folder, "test.log"), "w") as log:
            process = subprocess.Popen([*test["cmd"], *words[1:]], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, env={**os.environ, **test["env"]},
                                       cwd=test["workdir"] or self.folder, start_new_session=True)
            try:
                return meaning(process.wait(limit_s))
            except subprocess.TimeoutExpired:
                return "hangs"
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()


def meaning(code):
    if -code in BY_HAND or code - 128 in BY_HAND:
        return "killed"
    return "green" if code == 0 else "skipped" if code == SKIPPED else "red"


def log_of(build):
    return open(os.path.join(build.folder, "test.log"), errors="replace").read()[-3000:]


def judge(build, mutant, seconds):
    """(what became of it, whether that is as it should be)"""
    before = {file: open(os.path.join(build.tree, file)).read() for file, _ in mutant.parts}
    try:
        for file, text in mutant.changed(build.tree).items():
            write(os.path.join(build.tree, file), text)
        build.make(mutant.tests)
        for words in mutant.tests:
            least, times = PATIENCE_FOR_HANGS if words in mutant.may_hang else PATIENCE
            result = build.run(words, max(least, times * seconds[words]))
            if result != "red" and not (result == "hangs" and words in mutant.may_hang):
                return f"STAYS GREEN: {' '.join(words)} {'' if result == 'green' else result}".rstrip(), False
        return "red", True
    except Trouble as trouble:
        return f"DOES NOT BUILD\n{trouble}", False
    finally:
        for file, text in before.items():
            write(os.path.join(build.tree, file), text)


def measure(build, tests):
    """{test: seconds that it takes with nothing broken}"""
    seconds = {}
    for words in tests:
        start = time.monotonic()
        result = build.run(words, 4 * build.tests[words[0]]["timeout"])
        if result != "green":
            raise Trouble(f"{' '.join(words)}: {result} with nothing broken\n{log_of(build)}")
        seconds[words] = time.monotonic() - start
    print(f"{len(tests)} tests, all green with nothing broken, {sum(seconds.values()):.0f} s", flush=True)
    return seconds


def main(root, names):
    mutants = read(os.path.join(root, "tests/mutants"), names)
    folder = os.path.join(root, "build/mutants")
    os.makedirs(os.path.join(folder, "tree"), exist_ok=True)
    lock = open(os.path.join(folder, "lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    copy_tree(root, os.path.join(folder, "tree"))
    build = Build(os.path.join(folder, "tree"), os.path.join(folder, "build"))
    tests = sorted({words for mutant in mutants for words in mutant.tests})
    build.make(tests)
    seconds = measure(build, tests)
    red, begun = 0, time.monotonic()
    # Those of one file behind each other: it is compiled once for each, not twice.
    for mutant in sorted(mutants, key=lambda mutant: [file for file, _ in mutant.parts]):
        start = time.monotonic()
        text, good = judge(build, mutant, seconds)
        red += good
        print(f"{mutant.name:32} {time.monotonic() - start:6.1f} s  {text}", flush=True)
    print(f"{red} red, {len(mutants) - red} green, {time.monotonic() - begun:.0f} s")
    return red < len(mutants)


if __name__ == "__main__":
    # Asked to end, it puts the tree back and ends its test first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("mutants: asked to end"))
    try:
        sys.exit(main(os.path.realpath(sys.argv[1]), sys.argv[2:]))
    except Trouble as trouble:
        sys.exit(f"mutants: {trouble}")

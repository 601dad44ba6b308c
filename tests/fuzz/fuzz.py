#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Runs the fuzzers of build/fuzz, one after the other (./dev fuzz).

Each goes on from tests/fuzz/corpus/NAME and from what it found before, in
build/fuzz/corpus/NAME, where new inputs are kept. Whatever fails is kept in
build/fuzz/crash/NAME; the search is then begun anew, so that one finding does
not end it. A line per target goes to the output and to build/fuzz/results.tsv.

With --merge nothing is searched: the tree's corpus is made anew from both, a
small set that reaches all that both reach; of it the smallest inputs, as many
as fit the size it may have. An input with a name of its own stays.
"""
import argparse
import datetime
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

FINDINGS_MAX = 10
CORPUS_BYTES = {"parser": 12 * 1024, "machine": 32 * 1024}
CORPUS_FILES = 100
COLUMNS = ("target", "kind", "date", "executions", "exec/s", "edges",
           "features", "minutes", "findings")
HERE = pathlib.Path(__file__).resolve().parent


def targets():
    lines = (HERE / "targets").read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return {name: (kind, int(length)) for name, kind, length in words}


class Target:
    def __init__(self, build, name, kind, length):
        self.name, self.kind, self.length = name, kind, length
        self.program = build / "tests/fuzz" / f"fuzz_{name}"
        self.kept = HERE / "corpus" / name
        self.found = build / "corpus" / name
        self.crash = build / "crash" / name
        for folder in (self.found, self.crash):
            folder.mkdir(parents=True, exist_ok=True)
        self.executions = self.edges = self.features = 0
        self.seconds = 0.0

    def run(self, arguments):
        environment = dict(os.environ)
        environment.setdefault(
            "ASAN_OPTIONS", "malloc_context_size=4:quarantine_size_mb=16")
        return subprocess.run(
            [self.program, *arguments], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")

    def once(self, seconds, runs):
        started = time.monotonic()
        result = self.run([
            f"-max_total_time={int(seconds)}", f"-runs={runs}",
            f"-max_len={self.length}", "-timeout=20", "-rss_limit_mb=1500",
            "-print_final_stats=1", "-reload=0", "-verbosity=1",
            *(["-len_control=0"] if self.kind == "machine" else []),
            f"-artifact_prefix={self.crash}/", self.found, self.kept])
        self.seconds += time.monotonic() - started
        count = re.findall(r"number_of_executed_units: (\d+)", result.stdout)
        self.executions += int(count[-1]) if count else 0
        for edges, features in re.findall(r"cov: (\d+) ft: (\d+)",
                                          result.stdout):
            self.edges = max(self.edges, int(edges))
            self.features = max(self.features, int(features))
        log = self.crash.parent.parent / "logs"
        log.mkdir(exist_ok=True)
        (log / f"{self.name}.log").write_text(result.stdout)
        return result.returncode == 0

    def findings(self):
        return sum(1 for _ in self.crash.iterdir())

    def search(self, minutes, runs):
        end = time.monotonic() + 60 * minutes
        before = self.findings()
        while True:
            left = end - time.monotonic()
            if left < 1 or self.executions >= runs:
                break
            self.once(left, runs - self.executions)
            if self.findings() - before >= FINDINGS_MAX:
                break
        return self.findings() - before

    def merge(self):
        merged = self.found.parent / (self.name + ".merged")
        shutil.rmtree(merged, ignore_errors=True)
        merged.mkdir()
        result = self.run(["-set_cover_merge=1", f"-max_len={self.length}", merged,
                           self.kept, self.found])
        if result.returncode != 0:
            sys.exit(result.stdout)
        for path in self.kept.iterdir():
            if re.fullmatch("[0-9a-f]{16}", path.name):
                path.unlink()
        size = 0
        paths = sorted(merged.iterdir(), key=lambda p: p.stat().st_size)
        for path in paths[:CORPUS_FILES]:
            size += path.stat().st_size
            if size > CORPUS_BYTES[self.kind]:
                break
            shutil.copy(path, self.kept / path.name[:16])
        shutil.rmtree(merged)


def search(build, target, minutes, runs):
    findings = target.search(minutes, runs)
    row = (target.name, target.kind, datetime.date.today().isoformat(),
           target.executions, int(target.executions /
                                  max(target.seconds, 1)),
           target.edges, target.features, f"{target.seconds / 60:.1f}",
           findings)
    line = "\t".join(str(field) for field in row)
    print(line, flush=True)
    results = build / "results.tsv"
    if not results.exists():
        results.write_text("\t".join(COLUMNS) + "\n")
    with results.open("a") as file:
        file.write(line + "\n")
    return findings


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--runs", type=int, default=100_000_000)
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("names", nargs="+", metavar="NAME|all")
    options = parser.parse_args()
    known = targets()
    names = list(known) if options.names == ["all"] else options.names
    findings = 0
    for name in names:
        if name not in known:
            sys.exit(f"{name}: no such target; there are {', '.join(known)}")
    if not options.merge:
        print("\t".join(COLUMNS))
    for name in names:
        target = Target(options.build.resolve(), name, *known[name])
        if options.merge:
            target.merge()
        else:
            findings += search(options.build.resolve(), target,
                               options.minutes, options.runs)
    return findings > 0


sys.exit(main())

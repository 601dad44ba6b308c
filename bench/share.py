#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""share.py - two programs at once, and what the first gets of what both get

share.py SECONDS SKIP LATER COMMAND : COMMAND

Both send all the time; the one LATER (0 or 1) begins half a second after the
other. What they receive in the first SKIP seconds does not count. Prints one
JSON object.
"""
import json
import os
import subprocess
import sys
import time

APART_S = 0.5


def main():
    seconds, skip, later = float(sys.argv[1]), float(sys.argv[2]), \
        int(sys.argv[3])
    at = sys.argv.index(":")
    commands = [sys.argv[4:at], sys.argv[at + 1:]]
    start_ns = time.monotonic_ns()
    environment = dict(os.environ,
                       BENCH_FROM_NS=str(start_ns + int(skip * 1e9)),
                       BENCH_TO_NS=str(start_ns + int(seconds * 1e9)))
    running = {}
    for i in (1 - later, later):
        running[i] = subprocess.Popen(commands[i], stdout=subprocess.PIPE,
                                      env=environment)
        time.sleep(APART_S)
    results = []
    for i in (0, 1):
        out = running[i].communicate()[0]
        if running[i].returncode != 0:
            running[1 - i].kill()
            sys.exit(running[i].returncode)
        results.append(json.loads(out))
    mine, other = (result["mbit_s"] for result in results)
    print(json.dumps(dict(results[0], share=mine / (mine + other), mine=mine,
                          other=other)))


if __name__ == "__main__":
    main()

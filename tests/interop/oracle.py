#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""oracle.py PROGRAM DIRECTORY [NAME...] - the real program against a second
implementation of PROTOCOL.md. Runs the cases whose names contain one of NAME,
or all of them; a line for each, and how many there were."""
import sys
import traceback

try:
    import cryptography  # noqa: F401
except ImportError:
    print("python3-cryptography is not installed")
    sys.exit(77)

import cases_vectors  # noqa: F401
import cases_client  # noqa: F401
import cases_breach  # noqa: F401
import cases_server  # noqa: F401
import world as common


def run(function, world):
    """Real sockets and real time: a case that fails has a second try, and says so."""
    try:
        function(world)
        return ""
    except Exception as error:
        first = str(error).strip() or type(error).__name__
    function(world)
    return f" # at the second try; the first: {first}"


def main(program, directory, *names):
    world = common.World(program, directory)
    passed = failed = 0
    try:
        for name, function in common.CASES:
            if names and not any(part in name for part in names):
                continue
            try:
                again = run(function, world)
                passed += 1
                print(f"ok {name}{again}", flush=True)
            except Exception as error:  # a case may fail in any way; the others go on
                words = str(error).strip().replace("\n", " / ") or type(error).__name__
                failed += 1
                print(f"not ok {name}: {type(error).__name__}: {words}", flush=True)
                if not isinstance(error, common.Failed):
                    traceback.print_exc()
    finally:
        world.stop()
    print(f"{passed} passed, {failed} failed")
    return failed > 0 or passed == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""bench.py - runs the programs of a bench in turn and compares them

./dev bench [NAME] [--json] [--quick]; --help has the names

The machine drifts, so the runs are interleaved: one of each subject, then
again; a subject's value is the median of its runs. Of several that could be
the peer (TCP congestion controllers) the better one is. A ratio above 1 means
ours is better; for the ceiling it is the share reached. Exit code: 0 measured,
1 a run failed or its content was wrong, 2 wrong use.
"""
import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

import benches

STEADY = 0.3                            # a spread above it is worth a word
# A controller that only root may choose is free to choose in a network of
# one's own, where the kernel gives one.
OWN_NETWORK = ["unshare", "-rn", "sh", "-c",
               'ip link set lo up && exec "$@"', "sh"]
TOO_LONG_S = 200                        # a run that takes longer hangs
NOT_CHECKED = {"ssh"}                   # somebody else's programs


class Failed(Exception):
    pass


def run(command, limit_s=TOO_LONG_S):
    """One run: the JSON it prints, or None where the kernel cannot."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise Failed(f"{command[0]}: not over after {limit_s:.0f} s") from None
    finally:
        # Its second process dies with it.
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == 3:
        if err.strip():
            print(err.strip(), file=sys.stderr)
        return None
    if process.returncode != 0:
        raise Failed(f"{os.path.basename(command[0])}: " +
                     (err.strip() or f"exit code {process.returncode}"))
    return json.loads(out)


def make_login(directory):
    key = os.path.join(directory, "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "",
                    "-f", key], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    authorized = os.path.join(directory, "authorized_keys")
    shutil.copy(key + ".pub", authorized)
    os.chmod(authorized, 0o600)


def words(build, command, directory, sizes):
    """The command of a run as a list, or None where it was not built."""
    programs = os.path.join(os.path.abspath(build), "bench")
    text = command.format(directory=directory, **dict(
        sizes, programs=programs)).split()
    if text[0].endswith(".py"):
        return [sys.executable,
                os.path.join(os.path.dirname(__file__), text[0])] + text[1:]
    text[0] = os.path.join(os.path.abspath(build), "bench", text[0])
    return text if os.path.exists(text[0]) else None


def run_fresh(build, command, login, sizes, prefix):
    """One run in a directory of its own, which nobody has logged in from."""
    directory = tempfile.mkdtemp(dir=login)
    for name in ("key", "authorized_keys"):
        shutil.copy(os.path.join(login, name), directory)
    try:
        command = words(build, command, directory, sizes)
        return run(prefix + command) if command else None
    finally:
        shutil.rmtree(directory)


def enter_lab(build, lab):
    """What comes before a command that is to have its two ends on a link."""
    rate_mbit, delay_ms, words_ = lab
    if os.getuid() != 0:
        raise Failed("the link needs root: it is two network namespaces and "
                     "what lies between")
    os.environ.update(
        BENCH_SERVER_NET="/proc/1/ns/net", BENCH_SERVER="10.77.0.2",
        BENCH_MBIT=str(rate_mbit), BENCH_DELAY_MS=str(delay_ms),
        BENCH_RTT_MS=str(2 * delay_ms))
    return [os.path.join(os.path.abspath(build), "tests/netlab/netlab"),
            "--rate", f"{rate_mbit}mbit", "--delay", f"{delay_ms}ms"] + \
        words_.split() + ["--"]


def measure(bench, build, login, sizes):
    """name -> results, of the runs that this machine can do."""
    results = {name: [] for name in bench.runs}
    if sizes["check"]:
        results.update((name, None) for name in NOT_CHECKED)
    lab = enter_lab(build, bench.lab) if bench.lab else []
    prefix = {name: lab for name in bench.runs}
    for number in range(sizes["rounds"]):
        sizes = dict(sizes, later=str(number % 2))
        for name, command in bench.runs.items():
            if results[name] is None:
                continue
            result = run_fresh(build, command, login, sizes, prefix[name])
            if result is None and name in benches.TLS and not lab:
                prefix[name] = OWN_NETWORK
                try:
                    result = run_fresh(build, command, login, sizes,
                                       OWN_NETWORK)
                except (Failed, OSError):
                    result = None
            if result is None:
                results[name] = None
            else:
                results[name].append(result)
    return {name: runs for name, runs in results.items() if runs}


def versions(results):
    found = {"kernel": platform.release()}
    for name, runs in results.items():
        if "version" in runs[0]:
            found["sojourn"] = runs[0]["version"]
        elif name.startswith("tls13"):
            found["openssl"] = runs[0]["provider"]
        else:
            found[name] = runs[0]["provider"]
    return found


def commit():
    """Of the tree these programs came from; "-dirty" with changes in it."""
    try:
        return subprocess.run(
            ["git", "-C", os.path.dirname(os.path.abspath(__file__)),
             "describe", "--always", "--dirty", "--abbrev=12",
             "--exclude=*"], check=True, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def rounded(value):
    return round(value, 3) if abs(value) < 100 else round(value, 1)


def figures(line, results):
    values = [r[line.value] for r in results[line.run]]
    if line.over:
        values = [a / b[line.value]
                  for a, b in zip(values, results[line.over])]
    return values


def add_ratios(row, line, bench, results):
    """Ours against the better of each kind of peer, by medians and by round.
    """
    by_subject = {other.subject: other for other in bench.lines
                  if other.cell == line.cell and other.run in results}
    row["ratio"], row["ratio_runs"], row["not_measured"] = {}, {}, []
    for key, subjects in line.ratios.items():
        peers = {name: figures(by_subject[name], results)
                 for name in subjects if name in by_subject}
        row["not_measured"] += [n for n in subjects if n not in peers]
        if not peers:
            continue
        choose = min if line.share_of_less else max
        best = choose(peers, key=lambda n, p=peers: statistics.median(p[n]))
        pairs = [(statistics.median(row["all"]),
                  statistics.median(peers[best]))]
        pairs += zip(row["all"], peers[best])
        ratios = [rounded(b / a if line.share_of_less else a / b)
                  for a, b in pairs]
        row["ratio"][key], row["ratio_runs"][key] = ratios[0], ratios[1:]
        if len(subjects) > 1:
            row["peer"] = best


def lines(name, bench, results, sizes, command):
    out = []
    for line in bench.lines:
        if line.run not in results:
            continue
        runs, values = results[line.run], figures(line, results)
        value = statistics.median(values)
        row = {"bench": name, "cell": line.cell.format(**sizes),
               "subject": line.subject, "value": rounded(value),
               "unit": line.unit, "min": rounded(min(values)),
               "max": rounded(max(values)), "rounds": len(values),
               "runs": [rounded(v) for v in values], "all": values,
               "spread": round((max(values) - min(values)) / value, 3)
               if value else 0}
        if line.ratios:
            add_ratios(row, line, bench, results)
        del row["all"]
        for key in line.more:
            if all(key in r for r in runs):
                row[key] = rounded(statistics.median(r[key] for r in runs))
        row.update((k, v) for k, v in runs[0].items()
                   if isinstance(v, (str, bool)) and k != "version")
        row.update((k, runs[0][k]) for k in benches.SIZES if k in runs[0])
        row["seconds"] = float(sizes["seconds"])
        row["commit"], row["versions"] = commit(), versions(results)
        row["cmd"] = command
        out.append(row)
    return out


def show(bench, rows):
    print(bench.title)
    more = {(line.cell, line.subject): line.more for line in bench.lines}
    cell = None
    for row in rows:
        if row["cell"] != cell:
            cell = row["cell"]
            print(f"\n{cell}" if cell else "")
        beside = next(v for (c, s), v in more.items() if s == row["subject"]
                      and (c == cell or "{" in c))
        words_ = [f"{k} {row[k]:g}" for k in beside if k in row]
        words_ += [str(row[k]) for k in ("controller",) if k in row]
        print(f"  {row['subject']:16} {row['value']:10.6g} {row['unit']}, "
              f"spread {row['spread'] * 100:.0f} %"
              f"{''.join('; ' + w for w in words_)}")
        for key, ratio in row.get("ratio", {}).items():
            peer = f" ({row['peer']})" if "peer" in row and \
                key == "tls13-tcp" else ""
            print(f"  {'':16} {ratio:10.6g} times {key}{peer}" if
                  key != "ceiling" else f"  {'':16} {ratio * 100:9.0f} % of "
                  "what UDP and the cipher alone reach here")
    print(f"\n{bench.note}")
    missing = sorted({n for row in rows for n in row.get("not_measured", [])})
    if missing:
        print("NOT MEASURED, so the ratios are not the whole answer: " +
              ", ".join(missing))
    if max(row["spread"] for row in rows) > STEADY:
        print("the machine was not steady: look at the runs (--json) before "
              "the ratios")


def check(bench, results):
    """For a test: everything ran and was checked; no value decides."""
    absent = set(bench.runs) - set(results)
    for line in bench.lines:
        if line.run in results and not all(
                r["checked"] for r in results[line.run]):
            raise Failed(f"{line.run}: not checked")
    if any(not n.startswith(("tls13", "ceiling", "ssh")) for n in absent):
        raise Failed("not run: " + ", ".join(sorted(absent)))
    print("checked: " + ", ".join(sorted(results)))


def parse():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("name", nargs="?", default="bulk",
                        choices=benches.NAMES)
    parser.add_argument("--json", action="store_true",
                        help="one JSON object a line, one line a value")
    parser.add_argument("--quick", action="store_true",
                        help="less than a minute")
    parser.add_argument("--streams", type=int, metavar="N",
                        help="bulk: over so many at once")
    parser.add_argument("--check", action="store_true",
                        help=argparse.SUPPRESS)
    parser.add_argument("--build", default="build/gcc",
                        help=argparse.SUPPRESS)
    parser.add_argument("--cell", metavar="RTT,NUMBER", action="append",
                        help="of this path: lossy: ms, percent (50,1); "
                        "fairness: ms, Mbit/s (10,20)")
    parser.add_argument("--all", action="store_true",
                        help="lossy, fairness: all cells, three times each")
    options = parser.parse_args()
    if options.streams is not None and (options.name != "bulk" or
                                        options.streams < 1):
        parser.error("--streams N, with N at least 1, belongs to bulk")
    if options.name not in benches.CELLS:
        if options.cell or options.all:
            parser.error("--cell and --all belong to lossy and fairness")
        options.cells = [None]
        return options
    every, usual = benches.CELLS[options.name]
    try:
        options.cells = [tuple(map(float, text.split(",")))
                         for text in options.cell or []] or [usual]
    except ValueError:
        parser.error("--cell needs two numbers")
    if any(len(cell) != 2 for cell in options.cells):
        parser.error("--cell needs two numbers")
    if options.all:
        options.cells = every
    return options


def main():
    options = parse()
    return max(run_bench(options, cell) for cell in options.cells)


def run_bench(options, cell):
    bench = benches.bench(options.name, options.streams or 1, cell)
    command = "./dev bench " + options.name + (
        f" --streams {options.streams}" if options.streams else "") + (
        f" --cell {cell[0]:g},{cell[1]:g}" if cell else "") + (
        " --quick" if options.quick else "")
    sizes = dict(bench.sizes["check" if options.check else
                             "quick" if options.quick else "whole"],
                 check=options.check)
    if options.all:
        sizes["rounds"] = 3
    if options.check and not {0, 1} <= os.sched_getaffinity(0):
        print("two cores are needed")
        return 77
    if options.check and bench.lab and not (
            os.getuid() == 0 and os.path.exists("/dev/net/tun")):
        print("root and /dev/net/tun are needed")
        return 77
    # A signal ends with everything put away, as an exception does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as directory:
            make_login(directory)
            results = measure(bench, options.build, directory, sizes)
            rows = lines(options.name, bench, results, sizes, command)
            if options.check:
                check(bench, results)
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        if options.json:
            print(json.dumps({"bench": options.name, "subject": "sojourn",
                              "checked": False, "error": str(error),
                              "cmd": command}))
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    if "sojourn" not in results:
        print(f"bench: {options.build}/bench/{options.name} is missing: "
              "run ./dev build", file=sys.stderr)
        return 1
    if options.check:
        return 0
    if options.json:
        for row in rows:
            print(json.dumps(row))
    else:
        show(bench, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

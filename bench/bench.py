#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""bench.py - runs the bulk programs in turn and compares them.

./dev bench bulk [--json] [--quick]

The machine drifts, so the runs are interleaved: one of each subject, then
again; a subject's value is the median of its runs. The better of the two TCP
congestion controllers is the peer. A ratio above 1 means ours is better; for
the ceiling it is the share reached. Exit code: 0 measured, 1 a run failed or
its content was wrong, 2 wrong use.
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

STEADY = 0.3                            # a spread above it is worth a word
# A controller that only root may choose is free to choose in a network of
# one's own, where the kernel gives one.
OWN_NETWORK = ["unshare", "-rn", "sh", "-c",
               'ip link set lo up && exec "$@"', "sh"]
MORE = ("cipher", "provider", "controller", "write_size", "datagram")

ALL = {"sojourn", "tls13-tcp-cubic", "tls13-tcp-bbr", "ceiling"}


class Failed(Exception):
    pass


def run(command, limit_s):
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


def measure(build, directory, rounds, seconds):
    programs = os.path.join(os.path.abspath(build), "bench")
    text = f"{seconds:g}"
    commands = {
        "sojourn": [programs + "/bulk", text, directory],
        "tls13-tcp-cubic": [programs + "/tls", text, "cubic"],
        "tls13-tcp-bbr": [programs + "/tls", text, "bbr"],
        "ceiling": [programs + "/ceiling", text],
    }
    results = {name: [] if os.path.exists(command[0]) else None
               for name, command in commands.items()}
    for _ in range(rounds):
        for name, command in list(commands.items()):
            if results[name] is None:
                continue
            result = run(command, seconds + 40)
            if result is None and command[0] != OWN_NETWORK[0]:
                command = commands[name] = OWN_NETWORK + command
                try:
                    result = run(command, seconds + 40)
                except (Failed, OSError):
                    result = None
            if result is None:
                results[name] = None
            else:
                results[name].append(result)
    return {name: runs for name, runs in results.items() if runs}


def versions(results):
    found = {"kernel": platform.release()}
    if "sojourn" in results:
        found["sojourn"] = results["sojourn"][0]["version"]
    for name in ("tls13-tcp-cubic", "tls13-tcp-bbr"):
        if name in results:
            found["openssl"] = results[name][0]["provider"]
    if "ceiling" in results:
        found["ceiling"] = results["ceiling"][0]["provider"]
    return found


def lines(results, command):
    value = {name: statistics.median(r["value"] for r in runs)
             for name, runs in results.items()}
    tls = [n for n in value if n.startswith("tls13-tcp")]
    peer = max(tls, key=value.get) if tls else None
    per_round = {"tls13-tcp": peer, "ceiling": "ceiling"}
    out = []
    for name, runs in results.items():
        figures = [r["value"] for r in runs]
        line = {"bench": "bulk", "subject": name,
                "value": round(value[name], 3), "unit": "GB/s",
                "runs": [round(f, 3) for f in figures],
                "spread": round((max(figures) - min(figures)) / value[name],
                                3)}
        if name == "sojourn":
            line["ratio"], line["ratio_runs"] = {}, {}
            for key, other in per_round.items():
                if other not in results:
                    continue
                line["ratio"][key] = round(value[name] / value[other], 3)
                line["ratio_runs"][key] = [
                    round(a / b["value"], 3)
                    for a, b in zip(figures, results[other])]
            line["peer"] = peer
            line["not_measured"] = sorted(ALL - set(results))
        line["cpu_s_per_gb"] = round(statistics.median(
            r["cpu_s_per_gb"] for r in runs), 3)
        line["checked"] = runs[0]["checked"]
        line.update((k, runs[0][k]) for k in MORE if k in runs[0])
        if name == "sojourn":
            line["versions"] = versions(results)
        line["cmd"] = command
        out.append(line)
    return out


def show(rows):
    print("bulk: one stream or connection over loopback, a core each side\n")
    print(f"{'':18}{'GB/s':>8}{'spread':>9}{'CPU s/GB':>10}  sealed by")
    for row in rows:
        by = ", ".join(str(row[k]) for k in ("provider", "controller")
                       if k in row)
        print(f"{row['subject']:18}{row['value']:8.2f}"
              f"{row['spread'] * 100:8.0f}%{row['cpu_s_per_gb']:10.2f}  {by}")
    ratio = rows[0].get("ratio", {})
    print()
    if "tls13-tcp" in ratio:
        print(f"{ratio['tls13-tcp']:.2f} times TLS 1.3 over TCP "
              f"({rows[0]['peer']})")
    if "ceiling" in ratio:
        print(f"{ratio['ceiling'] * 100:.0f} % of what UDP and the cipher "
              "alone reach here")
    print("every byte was compared with what was sent (the ceiling: tags "
          "only)")
    if rows[0]["not_measured"]:
        print("NOT MEASURED, so the ratios are not the whole answer: " +
              ", ".join(rows[0]["not_measured"]))
    if max(row["spread"] for row in rows) > STEADY:
        print("the machine was not steady: look at the runs (--json) before "
              "the ratios")


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("name", nargs="?", default="bulk", choices=["bulk"])
    parser.add_argument("--json", action="store_true",
                        help="one JSON object a line")
    parser.add_argument("--quick", action="store_true",
                        help="less than a minute")
    parser.add_argument("--build", default="build/gcc",
                        help=argparse.SUPPRESS)
    options = parser.parse_args()
    command = "./dev bench " + options.name + (
        " --quick" if options.quick else "")
    # A signal ends with everything put away, as an exception does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    rounds, seconds = (3, 1.0) if options.quick else (7, 3.0)
    try:
        with tempfile.TemporaryDirectory(prefix="sojourn-bench-") as directory:
            make_login(directory)
            results = measure(options.build, directory, rounds, seconds)
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
        print("bench: build/gcc/bench/bulk is missing: run ./dev build",
              file=sys.stderr)
        return 1
    rows = lines(results, command)
    if options.json:
        for row in rows:
            print(json.dumps(row))
    else:
        show(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: ISC
"""benches.py - what each bench runs, and which lines come of it

A RUN is one program that prints one JSON object; a LINE is one value out of
the runs of one subject. Words in braces are sizes; {directory} is a fresh one
with a key that may log in.
"""
from typing import NamedTuple


class Line(NamedTuple):
    cell: str                   # what is asked, where a bench asks several
    subject: str
    run: str
    value: str                  # the member of the run's JSON
    unit: str
    more: tuple = ()            # numbers to show beside it
    ratios: dict = {}           # of ours: name -> subjects, the best counts
    share_of_less: bool = False  # a smaller value is the better one
    over: str = ""              # a run: the value is how many times its value


class Bench(NamedTuple):
    title: str
    runs: dict                  # name -> command; the first word is a program
    lines: list
    sizes: dict                 # of a whole run, of --quick, of --check
    note: str = ""
    lab: tuple = ()             # a link: Mbit/s, ms one way, words of netlab


TLS = ["tls13-tcp-cubic", "tls13-tcp-bbr"]
TLS_RUNS = {"tls13-tcp-cubic": "{seconds} cubic",
            "tls13-tcp-bbr": "{seconds} bbr"}


def seconds(whole, quick, check=(1, 0.1), **more):
    """(rounds, seconds) of each; more: further sizes, three each."""
    sizes = {}
    for i, (name, (rounds, length)) in enumerate(
            {"whole": whole, "quick": quick, "check": check}.items()):
        sizes[name] = {"rounds": rounds, "seconds": f"{length:g}"}
        sizes[name].update((k, str(v[i])) for k, v in more.items())
    return sizes


def bulk(streams):
    runs = {"sojourn": "bulk {seconds} {directory} " + str(streams)}
    ratios = {"tls13-tcp": TLS, "ceiling": ["ceiling"]}
    subjects = ["sojourn"] + TLS + ["ceiling"]
    if streams > 1:
        runs["one-stream"] = "bulk {seconds} {directory}"
        ratios = {"one-stream": ["one-stream"], **ratios}
        subjects.insert(1, "one-stream")
    runs.update((name, "tls " + words) for name, words in TLS_RUNS.items())
    runs["ceiling"] = "ceiling {seconds}"
    count = f"{streams} streams" if streams > 1 else "one stream"
    return Bench(
        f"bulk: {count} or one connection over loopback, a core each side",
        runs,
        [Line("", name, name, "value", "GB/s", ("cpu_s_per_gb",),
              ratios if name == "sojourn" else {}) for name in subjects],
        seconds((7, 3.0), (3, 1.0)),
        "every byte was compared with what was sent (the ceiling: tags only)")


HANDSHAKE = Bench(
    "handshake: new logins with an ssh key, each stored durably",
    {"sojourn": "handshake {seconds} {directory} {in_flight}",
     "tls13-full": "tls_handshake {seconds} {in_flight}",
     "sojourn-alone": "handshake {seconds} {directory} 1",
     "tls13-full-alone": "tls_handshake {seconds} 1",
     "ssh": "ssh.py login {ssh_logins} {directory}"},
    [Line("many", "sojourn", "sojourn", "per_core_s",
          "logins/s per server core", ("server_us", "client_us", "wall_per_s"),
          {"tls13-full": ["tls13-full"], "ssh": ["ssh"]}),
     Line("many", "tls13-full", "tls13-full", "per_core_s",
          "handshakes/s per server core",
          ("server_us", "client_us", "wall_per_s")),
     Line("many", "ssh", "ssh", "per_core_s", "logins/s per server core",
          ("server_us",)),
     Line("alone", "sojourn", "sojourn-alone", "p50_us", "us",
          ("p99_us", "server_us", "client_us"),
          {"tls13-full": ["tls13-full"], "ssh": ["ssh"]}, True),
     Line("alone", "tls13-full", "tls13-full-alone", "p50_us", "us",
          ("p99_us", "server_us", "client_us"), {}, True),
     Line("alone", "ssh", "ssh", "p50_us", "us", ("p99_us",), {}, True)],
    seconds((5, 3.0), (3, 1.0), in_flight=(64, 64, 4),
            ssh_logins=(10, 4, 1)),
    "every login was found in the store afterwards; both ends counted the "
    "same")

REQUESTS = Bench(
    "requests: 1 KiB there and back, a new stream each, over loopback",
    {"sojourn": "requests {seconds} {directory} 64",
     "sojourn-alone": "requests {seconds} {directory} 1",
     **{name: "tls_requests " + words for name, words in TLS_RUNS.items()}},
    [Line("64 in flight", "sojourn", "sojourn", "per_s", "requests/s",
          ("p50_us", "p99_us", "server_us", "client_us")),
     Line("alone", "sojourn", "sojourn-alone", "p50_us", "us",
          ("p99_us", "per_s", "server_us", "client_us"), {"tls13-tcp": TLS},
          True)] +
    [Line("alone", name, name, "p50_us", "us",
          ("p99_us", "per_s", "server_us", "client_us"), {}, True)
     for name in TLS],
    seconds((7, 3.0), (3, 1.0)),
    "every answer was compared with its request")

STREAMS = Bench(
    "streams: opened, eight bytes and the end, closed; and bytes over many",
    {"sojourn": "streams {count} {directory} 256",
     "many-streams": "bulk {seconds} {directory} {streams}",
     "one-stream": "bulk {seconds} {directory}",
     "ssh": "ssh.py sessions {ssh_sessions} {directory}"},
    [Line("open and close", "sojourn", "sojourn", "per_s", "streams/s",
          ("server_us", "client_us", "server_left", "client_left"),
          {"ssh": ["ssh"]}),
     Line("open and close", "ssh", "ssh", "per_s", "sessions/s"),
     Line("bulk over {streams}", "sojourn", "many-streams", "value", "GB/s",
          ("cpu_s_per_gb",), {"one-stream": ["one-stream"]}),
     Line("bulk over {streams}", "one-stream", "one-stream", "value", "GB/s",
          ("cpu_s_per_gb",))],
    seconds((5, 3.0), (3, 1.0), count=(100000, 10000, 200),
            streams=(1000, 1000, 20), ssh_sessions=(100, 20, 1)),
    "every stream came once, every byte was compared; left: what the library"
    "\nholds afterwards beyond what it held before, in bytes")

MEMORY = Bench(
    "memory: what an idle login and an open stream hold",
    {"sojourn": "memory {sessions} {directory} {settle_ms}",
     "tls13-idle": "tls_memory {connections} {settle_ms}"},
    [Line(f"session, {end}", "sojourn", "sojourn", f"{end}_session", "bytes",
          (f"{end}_session_accounted",), {"tls13-idle": ["tls13-idle"]}, True)
     if ours else
     Line(f"session, {end}", "tls13-idle", "tls13-idle",
          f"{end}_connection", "bytes", (), {}, True)
     for end in ("server", "client") for ours in (True, False)] +
    [Line(f"open stream, {end}", "sojourn", "sojourn", f"{end}_stream",
          "bytes", (f"{end}_stream_accounted",), {}, True)
     for end in ("server", "client")],
    seconds((3, 0), (2, 0), sessions=(10000, 1000, 10),
            connections=(1000, 1000, 10), settle_ms=(5000, 1000, 200)),
    "growth of the process (Pss) divided by their number; the kernel's "
    "sockets are\nnot counted, which is to the advantage of TLS; logins and "
    "connections answered\nafterwards")


HOL = Bench(
    "hol: 1 KiB there and back, ten in flight, beside a stream that takes all "
    "it can get;\n50 Mbit/s, 50 ms there and back, 1 % lost",
    {"sojourn-alone": "hol {count} {directory} 10",
     "sojourn": "hol {count} {directory} 10 bulk"},
    [Line("", "sojourn", "sojourn", "p99_us", "times what it is alone",
          ("p50_us", "bulk_bytes"), over="sojourn-alone"),
     Line("", "sojourn-alone", "sojourn-alone", "p99_us", "us", ("p50_us",))],
    seconds((1, 0), (1, 0), count=(10000, 1000, 20)),
    "p99 of the time from request to answer; every byte was compared",
    (50, 25, "--loss 1%"))

WARM = Bench(
    "warm: 64 KiB on a new stream of a path that is warm; 100 Mbit/s, 100 ms "
    "there and back",
    {"sojourn": "warm {count} {directory}",
     **{name: f"tls_warm {{count}} {words.split()[1]}"
        for name, words in TLS_RUNS.items()}},
    [Line("", name, name, "ratio", "times half a round trip and 64 KiB at the "
          "rate", ("p50_us", "max_us", "least_us"),
          {"tls13-tcp": TLS} if name == "sojourn" else {}, True)
     for name in ["sojourn"] + TLS],
    seconds((3, 0), (1, 0), count=(20, 10, 1)),
    "from the first write here to the last byte there; TLS on the same "
    "connection all the time",
    (100, 50, ""))

FIRST = Bench(
    "first: from nothing to the first answer of a new login; 50 ms there and "
    "back",
    {"sojourn": "first {count} {directory}",
     "ssh": "ssh.py first {ssh_count} {directory}"},
    [Line("", name, name, "rtts", "round trips", ("p50_us", "max_us"),
          {"ssh": ["ssh"]} if name == "sojourn" else {}, True)
     for name in ("sojourn", "ssh")],
    seconds((3, 0), (1, 0), count=(20, 10, 5), ssh_count=(5, 3, 1)),
    "the server's key was known, each client was new; ssh's answer is that of "
    "the\nserver's own sftp",
    (50, 25, ""))


def lossy(cell):
    rtt_ms, percent = cell
    runs = {"sojourn": "bulk {seconds} {directory}",
            "tls13-tcp-cubic": "tls {seconds} cubic"}
    return Bench(
        f"lossy: one stream or connection, {percent:g} % lost, {rtt_ms:g} ms "
        "there and back, 50 Mbit/s",
        runs,
        [Line("{rtt_ms} ms, {percent} %", name, name, "mbit_s", "Mbit/s",
              (), {"tls13-tcp": ["tls13-tcp-cubic"]} if name == "sojourn" else {})
         for name in runs],
        seconds((1, 20), (1, 10), rtt_ms=[f"{rtt_ms:g}"] * 3,
                percent=[f"{percent:g}"] * 3),
        "of each the same packets are lost, by their number",
        (50, rtt_ms / 2, f"--loss {percent:g}%"))


LOSSY_CELLS = [(rtt_ms, percent) for rtt_ms in (10, 50, 200)
               for percent in (0.1, 1, 5)]


def fairness(cell):
    """Each program sends somewhat longer than the other is looked at."""
    rtt_ms, rate_mbit = cell
    ours, kernel = "{programs}/bulk {seconds} {directory}", \
        "{programs}/tls {seconds} cubic"
    pairs = {"sojourn": (ours, kernel),
             "sojourn-16-sessions": (ours + " 64 16", kernel),
             "tls13-tcp-cubic": (kernel, kernel)}
    return Bench(
        f"fairness: against one connection of kernel CUBIC; {rate_mbit:g} "
        f"Mbit/s, {rtt_ms:g} ms there and back",
        {name: f"share.py {{seconds}} {{skip}} {{later}} {a} : {b}"
         for name, (a, b) in pairs.items()},
        [Line("", name, name, "share", "of what both get", ("mine", "other"))
         for name in pairs],
        seconds((1, 90), (1, 12), (1, 2), skip=(30, 4, 0)),
        "from the second half minute on; who begins later alternates from "
        "round to round",
        (rate_mbit, rtt_ms / 2, ""))


FAIRNESS_CELLS = [(rtt_ms, rate_mbit) for rtt_ms in (10, 50, 200)
                  for rate_mbit in (20, 100)]
CELLS = {"lossy": (LOSSY_CELLS, (50, 1)),       # all of them, the usual one
         "fairness": (FAIRNESS_CELLS, (10, 20))}


def bench(name, streams, cell):
    if name == "bulk":
        return bulk(streams)
    if name == "fairness":
        return fairness(cell)
    if name == "lossy":
        return lossy(cell)
    return {"handshake": HANDSHAKE, "requests": REQUESTS, "streams": STREAMS,
            "memory": MEMORY, "hol": HOL, "warm": WARM, "first": FIRST}[name]


# Numbers that say how large a run was.
SIZES = ("in_flight", "write_size", "datagram", "streams", "sessions",
         "connections")
NAMES = ["bulk", "handshake", "requests", "streams", "memory", "hol", "warm",
         "first", "lossy", "fairness"]

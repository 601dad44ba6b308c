#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""transcript.py SIMULATOR [SEED...] - runs of the simulator under the eyes of
the second implementation: it opens every packet with keys that it computes
itself, looks whether both ends keep the rules, and puts the streams together.
Then it is shown runs that were tampered with, and has to name the rule."""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
try:
    import cryptography  # noqa: F401
except ImportError:
    print("python3-cryptography is not installed")
    sys.exit(77)

from sojourn_oracle import observer, wire
from sojourn_oracle.observer import CLIENT, SERVER

# Together they have everything that Observer.seen() counts; if one day they do
# not, more are run until something of each was seen.
SEEDS = ("1", "8", "13", "16", "18", "23", "524", "58")
MORE = tuple(str(seed) for seed in range(100, 140))
TAMPERED_MAX = 4000  # lines of a run that is tampered with


def record(simulator, seed, directory):
    path = os.path.join(directory, seed)
    subprocess.run([simulator, "--record", path, seed], check=True, timeout=100)
    with open(path) as file:
        return [line.split() for line in file]


def watch(lines):
    """(observer, streams that came whole); a Violation says where."""
    one = observer.Observer()
    for number, words in enumerate(lines):
        try:
            one.line(words)
        except observer.Violation as error:
            raise observer.Violation(f"line {number + 1}: {error}") from error
    return one, one.finish()


# ---- tampering: each gives back lines with one thing wrong in them

class Run:
    """A run that is in order, and how to make it otherwise."""

    def __init__(self, lines):
        self.lines = lines
        self.observer, _ = watch(lines)
        self.sent = [(number, self.observer.packets[bytes.fromhex(words[4])]) for number, words in enumerate(lines)
                     if words[0] == ">" and bytes.fromhex(words[4]) in self.observer.packets]

    def find(self, role, *kinds, test=lambda frame: True, skip=0):
        """(line, packet) of the first that has a frame of each kind."""
        for number, one in self.sent:
            has = [any(frame.kind == kind and test(frame) for frame in one.frames) for kind in kinds]
            if one.side.role == role and all(has):
                if skip == 0:
                    return number, one
                skip -= 1
        raise LookupError(f"no packet of {role} with {kinds}")

    def replaced(self, one, data):
        """All lines of that packet, with other bytes."""
        old, new = one.data.hex(), data.hex()
        return [words[:4] + [new] if words[0] in "<>" and words[4] == old else words for words in self.lines]

    def resealed(self, one, payload, phase=None):
        keys, phase = one.side.keys, one.phase if phase is None else phase
        return self.replaced(one, keys.seal(one.data[1:9], one.number, payload, phase))

    def added(self, role, frame, *kinds, **how):
        """One more frame in the first packet that has those kinds."""
        _, one = self.find(role, *kinds, **how)
        return self.resealed(one, (frame(one) if callable(frame) else frame) + one.payload)

    def inserted(self, number, line):
        return self.lines[:number] + [line] + self.lines[number:]

    def without(self, test):
        return [words for words in self.lines if not test(words)]


def closed(run):
    return next((number, one) for number, one in run.sent if one is one.side.close)


def after_close(run, is_peer):
    """A packet of the other side or of the same one, after a CLOSE came."""
    _, one = closed(run)
    side = one.side.peer if is_peer else one.side
    last = side.sent[side.largest]
    data = side.keys.seal(last.data[1:9], side.largest + 1, wire.varint(wire.PING), side.phase)
    heard = max(at for at, words in enumerate(run.lines) if words[0] == "<" and words[4] == one.data.hex()) + 1
    return run.inserted(heard, [">", str(side.role), str(last.now), last.address, data.hex()])


def flipped(text, at):
    return text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1:]


def spoilt(run, kind, at, skip=0):
    """A hexadecimal digit of the last word of the n-th line of a kind."""
    number = [number for number, words in enumerate(run.lines) if words[0] == kind][skip]
    lines = list(run.lines)
    lines[number] = lines[number][:-1] + [flipped(lines[number][-1], at)]
    return lines


def login_of(run):
    _, one = run.find(CLIENT, wire.STREAM, test=lambda frame: b"SSHSIG" in getattr(frame, "data", b""))
    at = one.payload.index(b"SSHSIG") + 150
    return run.resealed(one, one.payload[:at] + bytes([one.payload[at] ^ 1]) + one.payload[at + 1:])


def elsewhere(run):
    """A packet of the server to another port, though it has fresh ids."""
    number, one = run.find(SERVER, wire.STREAM, skip=3)
    words = run.lines[number]
    lines = list(run.lines)
    lines[number] = words[:3] + [words[3].split(".")[0] + ".9", words[4]]
    return lines


def old_phase(run):
    one = next(one for _, one in run.sent if one.phase > 0 and one.side.role == CLIENT and
               one.number > min(other.number for other in one.side.sent.values() if other.phase > 0))
    return run.resealed(one, one.payload, one.phase - 1)


def moved_end(run, role):
    _, one = run.find(role, wire.STREAM, test=lambda frame: getattr(frame, "last", False))
    frame = next(frame for frame in one.frames if frame.kind == wire.STREAM and frame.last)
    return run.resealed(one, wire.reset(
        frame.stream, 77, frame.offset + len(frame.data) + 1, *(frame.opening.parent, frame.opening.borrow)
        if frame.opening else ()) + one.payload)


def response(one):
    return wire.varint(wire.PATH_RESPONSE) + b"whatever"


def far_ack(one):
    return wire.ack([[one.side.peer.largest + 7] * 2])


def lost_but_acknowledged(run):
    one = next(one for _, one in run.sent[5:] if one.number in one.side.acked)
    return run.without(lambda words: words[0] == "<" and words[4] == one.data.hex())


def other_hello(run):
    """A copy of it that differs, when it is already answered."""
    words = next(words for words in run.lines if words[0] == ">")
    return run.inserted(run.sent[0][0], words[:4] + [flipped(words[4], 400)])


def early_credit(run):
    _, one = next((number, one) for number, one in run.sent if one.side.role == SERVER)
    return run.resealed(one, wire.credit(0, 1 << 20) + one.payload)


def greaseless(run):
    """What meant nothing becomes padding, in all packets of the client."""
    for _, one in run.sent:
        for frame in one.frames:
            if one.side.role == CLIENT and wire.grease(frame.kind):
                at = one.payload.index(wire.varint(frame.kind))
                length = len(wire.varint(frame.kind)) + 1 + one.payload[at + len(wire.varint(frame.kind))]
                run.lines = run.resealed(one, one.payload[:at] + bytes(length) + one.payload[at + length:])
    return run.lines


OPENING = wire.opening(b"echo", 0, 1024, 10000)
TAMPERED = [
    ("SJ-PK-5", "a number twice", lambda run: run.inserted(run.sent[-20][0] + 1, run.lines[run.sent[-20][0]])),
    ("SJ-PK-4", "a packet that does not open", lambda run: run.replaced(
        run.sent[9][1], bytes.fromhex(flipped(run.sent[9][1].data.hex(), 60)))),
    ("SJ-PK-6", "an ACK of the future", lambda run: run.added(CLIENT, far_ack, wire.STREAM, skip=4)),
    ("SJ-PK-6", "an ACK of what got lost", lost_but_acknowledged),
    ("SJ-FR-1", "an unknown frame", lambda run: run.added(CLIENT, wire.varint(0x35), wire.STREAM)),
    ("SJ-VN-5", "no grease", greaseless),
    ("SJ-HS-1", "other keys", lambda run: spoilt(run, "K", 3)),
    ("SJ-HS-1", "another copy of a hello", other_hello),
    ("SJ-HS-6", "an answer to few bytes", lambda run: run.without(
        lambda words: words[0] == "<" and words[1] == "0" and words[4][0] in "89abcdef")),
    ("SJ-HS-9", "no PARAMETERS", lambda run: run.resealed(
        run.find(CLIENT, wire.PARAMETERS)[1], wire.varint(wire.PING))),
    ("SJ-HS-14", "PARAMETERS of the server", lambda run: run.added(
        SERVER, wire.varint(wire.PARAMETERS) + wire.counted(b""), wire.STREAM)),
    ("SJ-ID-1", "an id on two paths", elsewhere),
    ("SJ-ID-1", "two ids of one sequence", lambda run: run.added(
        SERVER, wire.varint(wire.NEW_ID) + wire.varint(0) + b"whatever", wire.STREAM)),
    ("SJ-ID-4", "an id given back unseen", lambda run: run.added(
        CLIENT, wire.varint(wire.RETIRE_ID) + wire.varint(77), wire.STREAM)),
    ("SJ-KEY-4", "a phase too early", lambda run: run.resealed(run.sent[0][1], run.sent[0][1].payload, 1)),
    ("SJ-KEY-6", "an old phase", old_phase),
    ("SJ-ST-1", "other bytes", lambda run: spoilt(run, "W", 1, 3)),
    ("SJ-ST-2", "no opening", lambda run: run.added(CLIENT, wire.stream(1000, b"x"), wire.STREAM)),
    ("SJ-ST-3", "beyond the credit", lambda run: run.added(
        CLIENT, wire.stream(1000, b"x", 1024, opening=OPENING), wire.STREAM)),
    ("SJ-ST-3", "an opening beyond the credit", lambda run: run.added(CLIENT, b"".join(
        wire.stream(1000 + 2 * i, opening=wire.opening(b"e", 0, 65536, 0)) for i in range(20)), wire.STREAM)),
    ("SJ-ST-4", "borrows too much", lambda run: run.added(
        CLIENT, wire.stream(1000, opening=wire.opening(b"e", 0, (256 << 10) + 1, 0)), wire.STREAM)),
    ("SJ-ST-4", "a lender that is not known", lambda run: run.added(
        CLIENT, wire.stream(1000, opening=OPENING) + wire.stream(1002, opening=wire.opening(b"e", 1000, 1, 0)),
        wire.STREAM)),
    ("SJ-ST-5", "an end that moves", lambda run: moved_end(run, CLIENT)),
    ("SJ-ST-11", "an end of the root", lambda run: run.added(CLIENT, wire.stop(0, 1), wire.STREAM)),
    ("SJ-ST-13", "CREDIT of an unknown stream", lambda run: run.added(SERVER, wire.credit(2000, 1), wire.STREAM)),
    ("SJ-ST-14", "its own parent", lambda run: run.added(
        CLIENT, wire.stream(1000, opening=wire.opening(b"e", 1000, 0, 0, wire.LENDER_IS_ROOT)), wire.STREAM)),
    ("SJ-ST-15", "a stream that nobody opened", lambda run: run.added(SERVER, wire.stream(2000, b"x"), wire.STREAM)),
    ("SJ-ST-19", "best effort", lambda run: run.added(
        CLIENT, wire.stream(1000, opening=wire.opening(b"e", 0, 0, 0, wire.BEST_EFFORT)), wire.STREAM)),
    ("SJ-PA-3", "a response to nothing", lambda run: run.added(CLIENT, response, wire.STREAM)),
    ("SJ-LG-4", "credit before the login", early_credit),
    ("SJ-LG-7", "a proof that proves nothing", login_of),
    ("SJ-CL-1", "on after the peer's CLOSE", lambda run: after_close(run, True)),
    ("SJ-CL-2", "on after CLOSE", lambda run: after_close(run, False)),
    ("SJ-CL-2", "CLOSE too often", lambda run: run.lines + [run.lines[closed(run)[0]]] * 4),
]


def control(runs, rule, words, tamper):
    """One of the runs at least lends itself to it; what is said has to be that
    rule: another one may be broken before it."""
    said = []
    for run in runs:
        try:
            watch(tamper(run))
            said.append("nothing")
        except observer.Violation as error:
            said.append(str(error))
            if f"[{rule}]" in said[-1]:
                print(f"ok caught: {words}: {error}", flush=True)
                return True
        except (LookupError, StopIteration, ValueError) as error:
            said.append(repr(error))
    print(f"not ok {words}: [{rule}] expected, and not {said}", flush=True)
    return False


def main(simulator, *seeds):
    totals, failed, runs = {}, 0, []
    with tempfile.TemporaryDirectory() as directory:
        for seed in seeds or SEEDS + MORE:
            if not seeds and seed in MORE and all(totals.values()):
                break
            lines = record(simulator, seed, directory)
            try:
                one, whole = watch(lines)
            except observer.Violation as error:
                print(f"not ok seed {seed}: {error}", flush=True)
                failed += 1
                continue
            print(f"ok seed {seed}: {one.datagrams} datagrams, {whole} whole streams", flush=True)
            for name, count in one.seen().items():
                totals[name] = totals.get(name, 0) + count
            if one.phases and len(lines) < TAMPERED_MAX:
                runs.append(lines)
    print(totals)
    if seeds or failed:
        return failed > 0
    missing = [name for name, count in totals.items() if not count]
    if missing:
        print(f"not ok: nothing was seen of {missing}")
    runs = [Run(lines) for lines in sorted(runs, key=len)]
    failed = bool(missing) + sum(not control(runs, *row) for row in TAMPERED)
    print(f"{failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

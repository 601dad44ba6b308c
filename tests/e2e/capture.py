#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""capture.py PORT DATAGRAMS WORDS: what can be read in a capture.

DATAGRAMS: source port, destination port, payload in hex, one a line. WORDS:
what must not be visible. Every run has a client port of its own. All checks are
first made to fail on copies with something planted in them.
"""
import base64
import copy
import sys

# The only fields that may be the same in two runs (SECURITY.md, "What an
# observer sees"). With NX the key number is 0.
MAY_REPEAT = {"form and type", "version", "attempt", "offset", "total",
              "pattern", "suite", "key number", "refusal", "refused pattern",
              "refused key number"}
# The first byte of a server's connection id names the worker, under a mask that
# lasts as long as the server: the one byte of short packets that repeats.
WORKER = 1
IDS = {"destination", "source"}
TYPES = ["HELLO", "ANSWER", "COOKIE", "VERSIONS", "REFUSAL"]
# PROTOCOL.md section 2: name and length, after the first byte.
LONG = [("version", 4), ("destination", 8), ("source", 8)]
AFTER = {
    "HELLO": [("attempt", 1), ("cookie", 16), ("digest", 8), ("offset", 2),
              ("total", 2)],
    "ANSWER": [("attempt", 1), ("offset", 2), ("total", 2)],
    "COOKIE": [("cookie", 16)], "VERSIONS": [], "REFUSAL": [("refusal", 1)],
}
OFFER = [("pattern", 1), ("suite", 1), ("key number", 4), ("refusal", 1),
         ("refused pattern", 1), ("refused key number", 4)]
# Bytes that are no chance: in one place (fewer where headers are), anywhere, of
# a word.
HEAD, SAME_IN_HEAD, SAME_PLACE, ANY_PLACE, WORD_PART, WORD_MIN = 64, 4, 6, 8, 6, 5


class Datagram:
    def __init__(self, to_server, payload):
        self.to_server = to_server
        self.payload = bytes(payload)
        self.fields = {}                # name: (from, to)
        self.is_long = bool(payload[0] & 0x80)
        if not self.is_long:
            self.type = "short"
            self.add(1, [("destination", 8)])
            return
        self.type = TYPES[payload[0] >> 4 & 7]
        # the low four bits of the first byte are random
        end = self.add(1, LONG + AFTER[self.type])
        if self.type == "HELLO" and self.number("offset") == 0:
            self.add(end, OFFER)

    def add(self, at, fields):
        for name, length in fields:
            self.fields[name] = (at, at + length)
            at += length
        return at

    def value(self, name):
        at, end = self.fields[name]
        return self.payload[at:end]

    def number(self, name):
        return int.from_bytes(self.value(name), "big")

    def identity(self):
        """Of a hello or an answer, for which copies may be sent."""
        if self.type not in ("HELLO", "ANSWER"):
            return None
        return (self.type, self.value("destination"), self.value("source"),
                self.value("offset"))

    def opaque(self):
        """What must look like chance: (from, to) of each part."""
        parts, at = [], 0
        for name, (start, end) in self.fields.items():
            if name in MAY_REPEAT or name in IDS:
                parts.append((at, start))
                at = end
        parts.append((at, len(self.payload)))
        return [(start, end) for start, end in parts if start < end]

    def windows(self, length):
        for start, end in self.opaque():
            for at in range(start, end - length + 1):
                yield self.payload[at:at + length]


def without_copies(run):
    """A hello or an answer that was sent again says the same again."""
    first, kept, bad = {}, [], []
    for datagram in run:
        key = datagram.identity()
        if key is None or key not in first:
            first[key] = datagram
            kept.append(datagram)
            continue
        for at in range(len(datagram.payload)):
            name = next((n for n, (start, end) in datagram.fields.items()
                         if start <= at < end), None)
            if at > 0 and name not in ("attempt", "cookie") and \
                    datagram.payload[at] != first[key].payload[at]:
                bad.append(f"a copy of {datagram.type} differs at {at}")
                break
    return kept, bad


def forms(word):
    """The word in the forms in which it might be on the wire."""
    kind, text = word
    raw = text.encode()
    found = {raw}
    if kind.startswith("base64"):
        bare = text.removeprefix("SHA256:")
        found = {bare.encode(), base64.b64decode(bare + "==")}
        if len(bare) > 43:
            found.add(base64.b64decode(bare)[-32:])     # the key in the blob
    elif kind == "session":
        found.add(bytes.fromhex(text))
    for one in list(found):
        found |= {one.upper(), one.hex().encode(), base64.b64encode(one)[:-4]}
    return {one for one in found if len(one) >= WORD_MIN}


def parts_of(words):
    """Every part of six bytes of what must not be seen: kind."""
    parts = {}
    for word in words:
        for form in forms(word):
            for at in range(max(1, len(form) - WORD_PART + 1)):
                parts[form[at:at + WORD_PART]] = word[0]
    return parts


def visible_words(runs, words):
    parts = parts_of(words)
    bad = []
    for number, run in enumerate(runs):
        for datagram in run:
            for length in {len(part) for part in parts}:
                for at in range(len(datagram.payload) - length + 1):
                    kind = parts.get(datagram.payload[at:at + length])
                    if kind:
                        bad.append(f"run {number}: {kind} is visible in "
                                   f"{datagram.type} at {at}")
    return bad


def same_place(runs):
    """The same bytes in the same place in the datagrams of two runs that have the
    same type, direction and turn."""
    bad = []
    for a in range(len(runs)):
        for b in range(a):
            for to_server in (False, True):
                for kind in ("HELLO", "ANSWER", "short"):
                    ones, others = ([d for d in runs[n] if d.type == kind and
                                     d.to_server == to_server] for n in (a, b))
                    for one, other in zip(ones, others):
                        bad += equal_runs(one, other, f"runs {a} and {b}")
    return bad


def equal_runs(one, other, where):
    allowed = set()
    for name, (start, end) in one.fields.items():
        if name in MAY_REPEAT:
            allowed.update(range(start, end))
    length = 0
    for at in range(min(len(one.payload), len(other.payload))):
        if at in allowed or one.payload[at] != other.payload[at]:
            length = 0
            continue
        length += 1
        if length == (SAME_IN_HEAD if at < HEAD else SAME_PLACE):
            return [f"{where}: the same {length} bytes in {one.type} at "
                    f"{at - length + 1}"]
    return []


def any_place(runs):
    """Eight bytes of what should be chance that come twice, anywhere."""
    seen, bad = {}, []
    for number, run in enumerate(runs):
        hellos = set()
        for datagram in run:
            own = set(datagram.windows(ANY_PLACE))
            if datagram.type in ("HELLO", "COOKIE"):
                # the fragments of one hello share cookie and digest, and a
                # hello brings back the cookie that it got
                at, end = datagram.fields["cookie"]
                if "digest" in datagram.fields:
                    end = datagram.fields["digest"][1]
                shared = {datagram.payload[i:i + ANY_PLACE]
                          for i in range(at, end - ANY_PLACE + 1)}
                own -= shared & hellos
                hellos |= shared
            for window in own:
                if window in seen:
                    bad.append(f"run {number}: {datagram.type} has 8 bytes "
                               f"that were in {seen[window]} before")
                    break
            for window in own:
                seen[window] = f"run {number}, {datagram.type}"
    return bad


def ids(runs):
    """A connection id stays in one direction of one run, and in its place; but
    the answer carries those of the hello, swapped."""
    owner, bad = {}, []
    for number, run in enumerate(runs):
        for datagram in run:
            for name in IDS & datagram.fields.keys():
                if datagram.type == "short":
                    use = (number, datagram.to_server, "short")
                else:
                    use = (number, datagram.to_server == (name == "source"),
                           "long")
                if owner.setdefault(datagram.value(name), use) != use:
                    bad.append(f"run {number}: an id of "
                               f"{owner[datagram.value(name)]} in "
                               f"{datagram.type}")
    for number, run in enumerate(runs):
        for datagram in run:
            if any(window in owner for window in datagram.windows(8)):
                bad.append(f"run {number}: an id in the midst of "
                           f"{datagram.type}")
    return bad


def constant_bytes(runs):
    """What is the same in all short packets of a direction: nothing, and no bit
    of what is masked; and as a whole each byte is as frequent as any other."""
    bad, count, total = [], [0] * 256, 0
    for to_server in (False, True):
        short = [d.payload for run in runs for d in run
                 if d.type == "short" and d.to_server == to_server]
        if len(short) < 30:
            return [f"only {len(short)} short packets, to_server {to_server}"]
        for at in range(min(len(payload) for payload in short)):
            if to_server and at == WORKER:
                continue
            if len({payload[at] for payload in short}) == 1:
                bad.append(f"byte {at} of all short packets is the same, "
                           f"to_server {to_server}")
        for at in (0, 9, 10, 11):
            for bit in range(7 if at == 0 else 8):
                if len({payload[at] >> bit & 1 for payload in short}) == 1:
                    bad.append(f"bit {bit} of byte {at} is not masked")
        for payload in short:
            total += len(payload) - 9
            for byte in payload[9:]:
                count[byte] += 1
    chi = sum((n - total / 256) ** 2 / (total / 256) for n in count)
    if chi > 500:               # 255 are to be expected, give or take 23
        bad.append(f"bytes of short packets are not alike: chi square {chi:.0f}")
    return bad


def check(runs, words):
    kept, bad = [], []
    for run in runs:
        run, differing = without_copies(run)
        kept.append(run)
        bad += differing
    return bad + visible_words(kept, words) + same_place(kept) + \
        any_place(kept) + ids(kept) + constant_bytes(kept)


# --- Each check fails when it has to ----------------------------------------

def put(runs, run, index, at, data):
    """A copy of the runs with other bytes in one short packet."""
    runs = [list(run) for run in runs]
    places = [i for i, d in enumerate(runs[run]) if d.type == "short" and
              len(d.payload) > at + len(data)]
    datagram = copy.copy(runs[run][places[index]])
    datagram.payload = datagram.payload[:at] + data + \
        datagram.payload[at + len(data):]
    runs[run][places[index]] = datagram
    return runs


def must_fail(what, bad):
    if not bad:
        sys.exit(f"FAILED: planted and not found: {what}")


def plant(runs, words):
    for word in words:
        for form in forms(word):
            planted = put([runs[1][:30]], 0, 3, 20, form[:40])
            must_fail(word[0], visible_words(planted, [word]))
    first = [d for d in runs[0] if d.type == "short" and d.to_server]
    other = [d for d in runs[1] if d.type == "short" and d.to_server]
    index = [d for d in runs[1] if d.type == "short" and
             len(d.payload) > 28].index(
                 next(d for d in other if len(d.payload) > 28))
    turn = other.index(next(d for d in other if len(d.payload) > 28))
    must_fail("four bytes in one place", same_place(
        put(runs, 1, index, 20, first[turn].payload[20:24])))
    data = first[0].payload[12:20]
    must_fail("eight bytes of another run", any_place(
        put(runs, 2, 5, 17, data)))
    must_fail("eight bytes of the same run", any_place(
        put(runs, 0, -1, 17, data)))
    must_fail("an id in the midst", ids(
        put(runs, 0, 3, 17, first[0].value("destination"))))
    answer = next(d for d in runs[0] if d.type == "short" and not d.to_server)
    back = [d for d in runs[0] if d.type == "short"].index(answer)
    must_fail("an id in both directions", ids(
        put(runs, 0, back, 1, first[0].value("destination"))))
    must_fail("an id in two runs", ids(
        put(runs, 1, 0, 1, first[0].value("destination"))))
    for at in (0, 2, 9, 25):
        same = copy.deepcopy(runs)
        for run in same:
            for d in run:
                if d.type == "short" and d.to_server:
                    d.payload = d.payload[:at] + b"\x55" + d.payload[at + 1:]
        must_fail("a constant byte", constant_bytes(same))
    zeros = copy.deepcopy(runs)
    for d in [d for d in zeros[0] if d.type == "short"][:8]:
        d.payload = d.payload[:100] + bytes(len(d.payload[100:]))
    must_fail("zeros", constant_bytes(zeros))


# --- What repeats -----------------------------------------------------------

def report(runs):
    for kind in ("HELLO", "ANSWER", "short"):
        some = [d for run in runs for d in run if d.type == kind]
        names = [("form and type", {d.payload[0] >> 4 if d.is_long else
                                    d.payload[0] >> 7 for d in some})]
        for name in some[0].fields:
            names.append((name, {d.value(name) for d in some
                                 if name in d.fields}))
        same = [name for name, values in names if len(values) == 1]
        other = [name for name, values in names if len(values) > 1]
        if kind == "short" and len({d.payload[WORKER] for d in some
                                    if d.to_server}) == 1:
            same.append("worker byte of ids to the server")
        print(f"{kind}: {len(some)}; the same in all: {', '.join(same)}; "
              f"not: {', '.join(other)}")
    known = [d for run in runs[1:] for d in run if "key number" in d.fields]
    names = [n for n in known[0].fields
             if len({d.value(n) for d in known}) == 1]
    print(f"HELLO of clients that know the key, the same: {', '.join(names)}")


def read(port, path):
    runs = {}
    for line in open(path):
        source, destination, payload = line.rstrip("\n").split("\t")
        to_server = int(destination) == port
        client = int(source if to_server else destination)
        runs.setdefault(client, []).append(
            Datagram(to_server, bytes.fromhex(payload)))
    # the words that show that the capture runs are nobody's login
    return [run for run in runs.values() if run[0].type == "HELLO"]


def main():
    port, path, words_path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    runs = read(port, path)
    words = [tuple(line.rstrip("\n").split("\t")) for line in open(words_path)]
    if len(runs) != 3:
        sys.exit(f"FAILED: {len(runs)} runs in the capture, not 3")
    for word in words:
        if not forms(word):
            print(f"not looked for, too short: {word[0]}")
    largest = max(len(d.payload) for run in runs for d in run)
    if largest > 1500:
        sys.exit(f"FAILED: trains in the capture: {largest} bytes")
    bad = check(runs, words)
    for line in bad[:20]:
        print("FAILED:", line)
    if bad:
        sys.exit(1)
    plant(runs, words)
    report(runs)


main()

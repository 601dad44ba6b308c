# SPDX-License-Identifier: ISC
"""Bytes and what they mean: varints, lists, ssh strings, frames
(PROTOCOL.md sections 3.2, 5, 7)."""
import re
from types import SimpleNamespace

PADDING, PING, ACK, ACK_ECN, PATH_CHALLENGE, PATH_RESPONSE, NEW_ID, RETIRE_ID, PARAMETERS, CLOSE = range(10)
STREAM, CREDIT, RESET, STOP, PRIORITY, FLOOR = 0x20, 0x30, 0x31, 0x32, 0x33, 0x34
LAST, LENGTH, OFFSET, OPENING = 1, 2, 4, 8  # bits of STREAM
BEST_EFFORT, LENDER_IS_ROOT = 0x08, 0x10  # flags of an opening
VARINT_MAX = (1 << 62) - 1


class WireError(Exception):
    """Bytes that mean nothing."""


def varint(value, size=0):
    """RFC 9000 section 16; size forces a longer form than needed."""
    for exponent, length in enumerate((1, 2, 4, 8)):
        if value < 1 << (8 * length - 2) and length >= size:
            return (value | exponent << (8 * length - 2)).to_bytes(length, "big")
    raise ValueError(value)


class Reader:
    """Takes bytes from the front; a WireError where there are too few."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def left(self):
        return len(self.data) - self.at

    def take(self, size):
        if size > self.left():
            raise WireError("too short")
        self.at += size
        return self.data[self.at - size:self.at]

    def rest(self):
        return self.take(self.left())

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def varint(self):
        first = self.number(1)
        return int.from_bytes(bytes([first & 63]) + self.take((1 << (first >> 6)) - 1), "big")

    def counted(self):
        return self.take(self.varint())

    def ssh_string(self):
        return self.take(self.number(4))


def ssh_string(data):
    return len(data).to_bytes(4, "big") + data


def counted(data):
    return varint(len(data)) + data


def grease(kind):
    """Types of the form 31n + 27 [SJ-FR-3]."""
    return kind % 31 == 27


def put_list(entries):
    """{type, length, value}... from pairs."""
    return b"".join(varint(kind) + counted(value) for kind, value in entries)


def get_list(data):
    reader, entries = Reader(data), []
    while reader.left():
        entries.append((reader.varint(), reader.counted()))
    return entries


def ack(ranges, delay_us=0, ecn=None):
    """ranges: [first, last] pairs, rising; RFC 9000 section 19.3."""
    ranges = ranges[::-1]
    out = varint(ACK_ECN if ecn else ACK) + varint(ranges[0][1]) + varint(delay_us) + varint(len(ranges) - 1)
    out += varint(ranges[0][1] - ranges[0][0])
    for above, below in zip(ranges, ranges[1:]):
        out += varint(above[0] - below[1] - 2) + varint(below[1] - below[0])
    return out + b"".join(varint(count) for count in ecn or ())


def close(code, text=b""):
    return varint(CLOSE) + varint(code) + counted(text)


def opening(service, parent=0, borrow=0, credit=0, flags=0, weight=1, deadline=1):
    return (varint(parent) + varint(borrow) + varint(credit) + bytes([flags, weight]) +
            (varint(deadline) if flags & BEST_EFFORT else b"") + counted(service))


def stream(number, data=b"", offset=0, last=False, opening=None, length=True):
    kind = STREAM | (LAST if last else 0) | (LENGTH if length else 0)
    kind |= (OFFSET if offset else 0) | (OPENING if opening is not None else 0)
    return (varint(kind) + varint(number) + (varint(offset) if offset else b"") + (opening or b"") +
            (varint(len(data)) if length else b"") + data)


def credit(number, maximum):
    return varint(CREDIT) + varint(number) + varint(maximum)


def reset(number, code, final, parent=0, borrow=0, flags=0):
    return b"".join(varint(n) for n in (RESET, number, code, final, parent, borrow)) + bytes([flags])


def stop(number, code):
    return varint(STOP) + varint(number) + varint(code)


def get_ack(frame, reader):
    last = reader.varint()
    frame.delay_us, count = reader.varint(), reader.varint()
    first = last - reader.varint()
    frame.ranges = [[first, last]]
    for _ in range(count):
        last = first - reader.varint() - 2
        first = last - reader.varint()
        frame.ranges.insert(0, [first, last])
    if frame.ranges[0][0] < 0:
        raise WireError("an ACK below 0 [SJ-FR-4]")
    if frame.kind == ACK_ECN:
        frame.ecn = [reader.varint() for _ in range(3)]


def get_stream(frame, reader):
    bits, frame.kind = frame.kind, STREAM
    frame.stream = reader.varint()
    frame.last = bool(bits & LAST)
    frame.offset = reader.varint() if bits & OFFSET else 0
    frame.opening = None
    if bits & OPENING:
        one = frame.opening = SimpleNamespace()
        one.parent, one.borrow, one.credit = reader.varint(), reader.varint(), reader.varint()
        one.flags, one.weight = reader.number(1), reader.number(1)
        one.deadline = reader.varint() if one.flags & BEST_EFFORT else None
        one.service = reader.counted()
        if one.weight == 0 or one.flags >> 5 or len(one.service) > 255:
            raise WireError("an opening [SJ-FR-7]")
    frame.data = reader.counted() if bits & LENGTH else reader.rest()
    if frame.offset + len(frame.data) > VARINT_MAX:
        raise WireError("an offset too large [SJ-FR-8]")


# "a": a varint; "a.N": a number of N bytes; "a:N": N bytes; "a:": as many as a varint says
FIELDS = {
    NEW_ID: ("sequence", "id:8"), RETIRE_ID: ("sequence",), PATH_CHALLENGE: ("data:8",), PATH_RESPONSE: ("data:8",),
    CREDIT: ("stream", "maximum"), STOP: ("stream", "code"), FLOOR: ("first", "count"), CLOSE: ("code", "text:"),
    RESET: ("stream", "code", "final", "parent", "borrow", "flags.1"),
    PRIORITY: ("stream", "version", "urgency.1", "weight.1"), PADDING: (), PING: (), PARAMETERS: ("list:",),
}


def get_frames(payload):
    """All frames of a packet, or a WireError before any of it acts [SJ-FR-1]."""
    reader, frames = Reader(payload), []
    while reader.left():
        frame = SimpleNamespace(kind=reader.varint())
        if frame.kind in (ACK, ACK_ECN):
            get_ack(frame, reader)
        elif STREAM <= frame.kind < STREAM + 16:
            get_stream(frame, reader)
        elif frame.kind in FIELDS:
            for field in FIELDS[frame.kind]:
                name, kind, size = re.match(r"(\w+)([.:]?)(\d*)", field).groups()
                if kind == ".":
                    value = reader.number(int(size))
                elif kind:
                    value = reader.take(int(size)) if size else reader.counted()
                else:
                    value = reader.varint()
                setattr(frame, name, value)
        elif grease(frame.kind):
            reader.counted()
        else:
            raise WireError(f"frame type {frame.kind:#x} [SJ-FR-2]")
        frames.append(frame)
    return frames

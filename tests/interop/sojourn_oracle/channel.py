# SPDX-License-Identifier: ISC
"""A channel: short packets, acknowledgements, loss, ids, closing (PROTOCOL.md
sections 2.2, 4, 5, 8, 9). It sends what its user hands it and is simple where
it may be: acknowledgements go at once, the window is plain AIMD."""
import os
import random
import time
from types import SimpleNamespace

from . import handshake, packet, wire

DATAGRAM = 1200
REORDER = 3  # RFC 9002 section 6.1.1
PROBES = 10  # [SJ-PA-8]
CODE_ORDER, CODE_PROTOCOL, CODE_LIMIT, CODE_INTERNAL = range(4)


class ProtocolError(Exception):
    """The peer broke a rule."""


class Ranges:
    """A set of numbers as rising [first, last] pairs."""

    def __init__(self):
        self.pairs = []

    def __contains__(self, number):
        return any(first <= number <= last for first, last in self.pairs)

    def add(self, number):
        self.pairs.append([number, number])
        self.pairs.sort()
        joined = []
        for pair in self.pairs:
            if joined and pair[0] <= joined[-1][1] + 1:
                joined[-1][1] = max(joined[-1][1], pair[1])
            else:
                joined.append(pair)
        self.pairs = joined


class Channel:
    """user has frame(frame) and fill(room); output(datagram, address) sends."""

    def __init__(self, send, receive, own_id, peer_id, output, user=None, parameters=None):
        self.send_keys, self.receive_keys, self.output, self.user = send, receive, output, user
        self.own_ids = {0: own_id}  # by sequence
        self.peer_ids = {} if peer_id is None else {0: peer_id}
        self.peer_id = peer_id
        self.address = None  # of the peer; None: the one the socket is connected to
        self.parameters = parameters  # a frame for each packet until one is acknowledged
        self.next_number, self.phase, self.skipped = 0, 0, set()
        self.sent = {}  # by number: what was in it, until acknowledged or lost
        self.ever_sent, self.acknowledged = Ranges(), Ranges()
        self.received, self.largest, self.receive_phase, self.first_of_phase = Ranges(), -1, 0, 0
        self.ack_wanted, self.control, self.log = False, [], []
        self.window, self.probes, self.probe_at, self.round_trip = 10, 0, None, 0.1
        self.closed = None  # (code, text) that the peer gave
        self.ended = None  # why we ended it
        self.numbers_seen, self.bytes_in, self.opened = [], 0, 0

    # -- out

    def number(self):
        """The next packet number; skips one now and then [SJ-PK-6]."""
        if self.next_number and random.random() < 1 / 64:
            self.skipped.add(self.next_number)
            self.next_number += 1
        self.next_number += 1
        return self.next_number - 1

    def send_payload(self, payload, number=None, phase=None, flags=0, destination=None, address=None):
        """One packet of these frames, as it is; returns its number."""
        number = self.number() if number is None else number
        self.next_number = max(self.next_number, number + 1)
        self.ever_sent.add(number)
        data = self.send_keys.seal(destination or self.peer_id, number, payload, self.phase if phase is None else phase,
                                   flags)
        self.output(data, address or self.address)
        return number

    def send(self, frame, acked=None, lost=None):
        """A frame for the next packet; it is sent again when it was lost."""
        self.control.append((frame, acked, lost))

    def grease(self):
        """[SJ-VN-5]: a frame for the first packet, and now and then; lost, it is
        not sent again."""
        if self.ever_sent.pairs and random.random() >= 1 / 32:
            return []
        frame = wire.varint(handshake.grease()) + wire.counted(os.urandom(random.randrange(8)))
        return [(frame, None, lambda: None)]

    def transmit(self):
        while not self.closed and not self.ended and self.peer_id is not None:
            pieces = []
            head = b""
            if self.ack_wanted:
                head = wire.ack(self.received.pairs[-32:])
            grease = self.grease()
            room = DATAGRAM - packet.HEADER - 16 - len(head) - sum(len(piece[0]) for piece in grease)
            if len(self.sent) < self.window:
                if self.parameters and (self.control or self.user_has() or not self.ever_sent.pairs or head):
                    pieces.append((self.parameters, self.parameters_acked, lambda: None))
                    room -= len(self.parameters)
                while self.control and len(self.control[0][0]) <= room:
                    frame, acked, lost = self.control.pop(0)
                    pieces.append((frame, acked, lost or (lambda f=frame, a=acked: self.send(f, a))))
                    room -= len(frame)
                if self.user:
                    pieces += self.user.fill(room)
            if not head and not pieces:
                return
            self.ack_wanted = False
            pieces = grease + pieces if pieces else []
            number = self.send_payload(head + b"".join(piece[0] for piece in pieces))
            if pieces:
                self.sent[number] = SimpleNamespace(time=time.monotonic(), pieces=pieces)
                self.probe_at = self.probe_at or time.monotonic() + self.probe_after()

    def user_has(self):
        return self.user and self.user.has_data()

    def parameters_acked(self):
        self.parameters = None

    def probe_after(self):
        return max(0.05, 3 * self.round_trip) * (1 << min(self.probes, 6))

    def tick(self):
        """After a probe timeout all that is not acknowledged counts as lost."""
        if self.probe_at and time.monotonic() >= self.probe_at:
            self.probe_at = None
            if self.sent:
                self.probes += 1
                if self.probes > PROBES:
                    self.ended = "no answer"
                self.window = max(2, self.window // 2)
                for number in sorted(self.sent):
                    self.lose(number)

    def lose(self, number):
        for _, _, lost in self.sent.pop(number).pieces:
            lost()

    def give_id(self):
        sequence = max(self.own_ids) + 1
        self.own_ids[sequence] = os.urandom(8)
        self.send(wire.varint(wire.NEW_ID) + wire.varint(sequence) + self.own_ids[sequence])

    def close(self, code=CODE_ORDER, text=b""):
        if not self.closed and not self.ended:
            self.send_payload(wire.close(code, text))
            self.ended = f"closed with {code} {text.decode()}"

    # -- in

    def receive(self, data, address=None):
        """A datagram; True if it opened."""
        if self.closed or self.ended:
            return False
        opened = self.receive_keys.open(data, self.largest, self.receive_phase)
        if not opened:
            return False
        number, phase, payload = opened
        if number in self.received:  # [SJ-PK-5]
            return False
        self.opened += 1
        self.bytes_in += len(data)
        try:
            frames = wire.get_frames(payload)
            self.follow_phase(number, phase)
            self.received.add(number)
            self.numbers_seen.append(number)
            self.largest = max(self.largest, number)
            for frame in frames:
                self.frame(frame, address)
        except (wire.WireError, ProtocolError) as error:
            self.close(CODE_PROTOCOL, str(error).encode()[:256])
        return True

    def follow_phase(self, number, phase):
        if phase > self.receive_phase:
            self.receive_phase, self.first_of_phase = phase, number
        elif phase == self.receive_phase:
            self.first_of_phase = min(self.first_of_phase, number)
        elif number > self.first_of_phase:
            raise ProtocolError("an old key after a new one [SJ-KEY-6]")

    def frame(self, frame, address):
        kind = frame.kind
        if kind == wire.PADDING:
            return
        self.log.append(frame)
        if kind not in (wire.ACK, wire.ACK_ECN, wire.CLOSE):
            self.ack_wanted = True  # [SJ-FR-6]
        if kind in (wire.ACK, wire.ACK_ECN):
            self.take_ack(frame)
        elif kind == wire.CLOSE:
            self.closed = (frame.code, frame.text)
        elif kind == wire.PATH_CHALLENGE:
            self.send_payload(wire.varint(wire.PATH_RESPONSE) + frame.data, address=address)  # [SJ-PA-3]
        elif kind == wire.NEW_ID:
            self.peer_ids[frame.sequence] = frame.id
        elif kind == wire.RETIRE_ID:
            self.own_ids.pop(frame.sequence, None)
            self.give_id()
        elif kind == wire.PARAMETERS or kind >= wire.STREAM:
            if not wire.grease(kind):
                self.user.frame(frame)

    def take_ack(self, frame):
        for first, last in frame.ranges:
            for number in self.skipped:
                if first <= number <= last:
                    raise ProtocolError("an acknowledgement of what was not sent [SJ-PK-6]")
            if last >= self.next_number:
                raise ProtocolError("an acknowledgement of the future [SJ-PK-6]")
        progress = False
        for number in sorted(self.sent):
            if any(first <= number <= last for first, last in frame.ranges):
                record = self.sent.pop(number)
                if number == frame.ranges[-1][1]:
                    self.round_trip += (time.monotonic() - record.time - self.round_trip) / 8
                progress = True
                for _, acked, _ in record.pieces:
                    if acked:
                        acked()
        for first, last in frame.ranges:
            if [first, last] not in self.acknowledged.pairs:
                for number in range(max(first, last - 512), last + 1):
                    if number not in self.acknowledged:
                        self.acknowledged.add(number)
        lost = [number for number in self.sent if number <= frame.ranges[-1][1] - REORDER]
        for number in sorted(lost):
            self.lose(number)
        if lost:
            self.window = max(4, self.window // 2)
        elif progress:
            self.window = min(48, self.window + 1)
        if progress:
            self.probes = 0
            self.probe_at = time.monotonic() + self.probe_after() if self.sent else None

# SPDX-License-Identifier: ISC
"""Somebody who sees all datagrams of both ends, knows their keys, and looks
whether they keep the rules of PROTOCOL.md. What arrives may have been ignored
by who got it (an old phase, an id given back), so what is forbidden is judged
by what was sent, and what was received only ever allows more."""
import copy
from types import SimpleNamespace

from . import handshake, login, noise, packet, wire

SERVER, CLIENT = 0, 1
COST, BORROW_MAX, BEFORE_LOGIN, ANSWER_MAX = 256, 256 << 10, 16 << 10, 6144
HELLO_SIZE, REPEATS = 1200, 3
PATH_FRAMES = (wire.PADDING, wire.PATH_CHALLENGE, wire.PATH_RESPONSE)


class Violation(Exception):
    """A rule was broken."""


def require(condition, rule, words):
    if not condition:
        raise Violation(f"[{rule}] {words}")


class Half:
    """What one side sends in one stream."""

    def __init__(self):
        self.pieces, self.highest, self.charged = [], 0, 0
        self.final = self.fin = self.reset = self.opening = self.stopped = None
        self.known = False  # to the peer: it acknowledged a frame of it, or sent one
        self.arrived = []  # (first, end) of the bytes that came

    def end_at(self, end, what):
        require(self.final in (None, end), "SJ-ST-5", f"{what} moves the end from {self.final} to {end}")
        require(end >= self.highest, "SJ-ST-5", f"{what} ends before bytes that were sent")
        self.final = end

    def is_whole(self):
        at = 0
        for first, end in sorted(self.arrived):
            if first > at:
                return False
            at = max(at, end)
        return at == self.final


# A sender puts grease into the first packet with room for it: into one of so many that say more than what came.
GREASED = 20
QUIET = (wire.PADDING, wire.ACK, wire.ACK_ECN, wire.CLOSE)


class Side:
    """One end of a channel as far as it is seen by what it sends and gets."""

    def __init__(self, channel, role, keys):
        self.channel, self.role, self.keys = channel, role, keys
        self.peer = None
        self.sent, self.skipped, self.largest = {}, set(), -1
        self.phase, self.phase_acked, self.followed = 0, False, 0
        self.delivered, self.acked = {}, set()
        self.parameters_acked = False
        self.close, self.closes, self.heard_close = None, 0, False
        self.halves, self.limits = {0: Half()}, {}
        self.halves[0].known = True
        self.challenges, self.own_ids, self.removed_ids = {}, {}, set()
        self.peer_ids, self.used_ids, self.retired = {}, {}, set()
        self.no_fresh = set()  # addresses at which nothing fresh was there once
        self.root, self.records, self.record_at = bytearray(), [], 0
        self.path_ids = 0

    # -- sent

    def send(self, now, address, data):
        require(len(data) >= packet.SMALLEST, "SJ-PK-1", f"a packet of {len(data)} bytes")
        if self.close and data == self.close.data:
            self.closes += 1
            require(self.closes <= 1 + REPEATS and address == self.close.address, "SJ-CL-2", "CLOSE too often")
            return
        require(not self.close, "SJ-CL-2", "a packet after CLOSE")
        require(not self.heard_close, "SJ-CL-1", "a packet after the CLOSE of the peer")
        opened = self.keys.open(data, self.largest, self.phase)
        require(opened, "SJ-PK-4", "a packet that does not open")
        number, phase, payload = opened
        require(number > self.largest, "SJ-PK-5", f"number {number} after {self.largest}")
        require(self.largest >= 0 or number == 0, "SJ-PK-6", f"the first number is {number}")
        try:
            frames = wire.get_frames(payload)
        except wire.WireError as error:
            raise Violation(f"[SJ-FR-1] {error}") from error
        require(frames, "SJ-FR-1", "a packet of nothing")
        one = SimpleNamespace(now=now, address=address, data=data, number=number, phase=phase, frames=frames, side=self,
                              payload=payload)
        self.take_phase(one)
        self.skipped.update(range(self.largest + 1, number))
        self.largest, self.sent[number] = number, one
        self.channel.observer.packets[data] = one
        if self.role == CLIENT:
            self.check_parameters(one)
        self.check_ids(one)
        for frame in frames:
            self.send_frame(one, frame)
        self.read_records()
        for frame in frames:
            if frame.kind == wire.CREDIT:
                self.send_credit(frame)
        if self.role == SERVER:
            self.channel.pay(address, len(data), frames)

    def take_phase(self, one):
        require(one.phase >= self.phase, "SJ-KEY-6", f"phase {one.phase} after {self.phase}")
        require(one.phase <= self.phase + 1, "SJ-KEY-4", "a phase was left out")
        require(one.phase >= self.followed, "SJ-KEY-8", f"phase {one.phase}; the peer's was {self.followed}")
        if one.phase > self.phase:
            follows = any(other.phase >= one.phase for other in self.delivered.values())
            require(self.phase_acked or follows, "SJ-KEY-4", "a new phase before a packet of this one was acknowledged")
            self.phase, self.phase_acked = one.phase, False
            self.channel.observer.phases += 1

    def check_parameters(self, one):
        """[SJ-HS-9]: in each packet that asks for an acknowledgement, but for
        those of a path, until one was."""
        asks = any(frame.kind not in PATH_FRAMES + (wire.ACK, wire.ACK_ECN, wire.CLOSE) for frame in one.frames)
        has = any(frame.kind == wire.PARAMETERS for frame in one.frames)
        require(has or not asks or self.parameters_acked, "SJ-HS-9", f"packet {one.number} without PARAMETERS")

    def fresh_ids(self):
        return [key for key in self.peer_ids if key not in self.used_ids and key not in self.retired]

    def check_ids(self, one):
        """[SJ-ID-1], of the server: a client does not know that it moves."""
        target = one.data[1:9]
        require(target in self.peer_ids, "SJ-ID-1", "an id that the peer did not give")
        places = self.used_ids.setdefault(target, set())
        if one.address not in places and places and self.role == SERVER:
            require(one.address in self.no_fresh, "SJ-ID-1", f"one id for {places} and {one.address}")
        places.add(one.address)

    def half(self, stream):
        return self.halves.setdefault(stream, Half())

    def is_own(self, stream):
        return stream % 2 == (0 if self.role == CLIENT else 1)

    def send_frame(self, one, frame):
        kind = frame.kind
        if kind in (wire.ACK, wire.ACK_ECN):
            self.send_ack(frame)
        elif kind == wire.CLOSE:
            self.close, self.closes = one, 1
        elif kind == wire.PARAMETERS:
            require(self.role == CLIENT, "SJ-HS-14", "PARAMETERS of a server")
            values = handshake.get_parameters(frame.list)
            self.give_id(0, values[handshake.ID])
            self.peer_limit(0, values[handshake.ROOT_CREDIT])
        elif kind == wire.NEW_ID:
            self.give_id(frame.sequence, frame.id)
        elif kind == wire.RETIRE_ID:
            require(any(frame.sequence == one for one in self.peer_ids.values()), "SJ-ID-4", "an id given back unseen")
            self.retired.update(key for key, sequence in self.peer_ids.items() if sequence == frame.sequence)
        elif kind == wire.PATH_CHALLENGE:
            self.challenges.setdefault(frame.data, set()).add(one.address)
        elif kind == wire.PATH_RESPONSE:
            sizes = [len(other.data) for other in self.delivered.values() for theirs in other.frames
                     if theirs.kind == wire.PATH_CHALLENGE and theirs.data == frame.data]
            require(sizes, "SJ-PA-3", "a response that nobody asked for")
            require(len(one.data) <= max(sizes), "SJ-PA-3", "a response larger than its challenge")
        elif kind == wire.STREAM:
            self.send_stream(frame)
        elif kind == wire.RESET:
            self.send_reset(frame)
        elif kind == wire.FLOOR:
            raise Violation("[SJ-ST-19] FLOOR")
        elif kind in (wire.STOP, wire.PRIORITY):
            require(frame.stream != 0 or kind == wire.PRIORITY, "SJ-ST-11", "STOP of the root")
            require(self.half(frame.stream).known, "SJ-ST-13", f"frame {kind:#x} of stream {frame.stream}")

    def give_id(self, sequence, key):
        require(self.own_ids.get(sequence, key) == key, "SJ-ID-1", f"two ids with sequence {sequence}")
        self.own_ids[sequence] = key
        self.channel.observer.ids[1 - self.role][key] = self.channel

    def peer_limit(self, stream, maximum):
        """A grant of ours: what it allows counts when it arrives."""
        self.granted = getattr(self, "granted", {})
        self.granted[stream] = max(self.granted.get(stream, 0), maximum)

    def send_ack(self, frame):
        for first, last in frame.ranges:
            for number in range(first, last + 1):
                require(number in self.delivered, "SJ-PK-6", f"an acknowledgement of {number}, which did not come")
                self.followed = max(self.followed, self.delivered[number].phase)

    def send_stream(self, frame):
        half = self.half(frame.stream)
        if frame.opening:
            require(not frame.opening.flags & wire.BEST_EFFORT, "SJ-ST-19", "best effort")
            self.open(frame.stream, frame.opening)
        if not half.known:
            require(self.is_own(frame.stream), "SJ-ST-15", f"stream {frame.stream} is not open")
            require(frame.opening, "SJ-ST-2", f"stream {frame.stream} without its opening")
        end = frame.offset + len(frame.data)
        half.highest = max(half.highest, end)
        self.check_credit(frame.stream)
        require(half.final is None or end <= half.final, "SJ-ST-5", "bytes after the end")
        if frame.last:
            require(frame.stream != 0, "SJ-ST-11", "an end of the root")
            half.end_at(end, "STREAM")
            half.fin = True
        half.pieces.append((frame.offset, frame.data))
        if frame.stream == 0:
            require(frame.offset <= len(self.root), "SJ-ST-1", "a hole in the root")
            self.root[frame.offset:end] = frame.data

    def open(self, stream, opening, is_reset=False):
        require(self.is_own(stream) and stream != 0, "SJ-ST-2", f"an opening of stream {stream}")
        half = self.half(stream)
        what = (opening.parent, opening.borrow, bool(opening.flags & (1 if is_reset else wire.LENDER_IS_ROOT)))
        if half.opening:
            require(half.opening == what, "SJ-ST-1", f"two different openings of {stream}: {half.opening} and {what}")
            return
        half.opening = what
        parent, borrow, root_lends = what
        lender = 0 if root_lends else parent
        require(borrow <= BORROW_MAX, "SJ-ST-4", f"borrows {borrow}")
        require(parent != stream, "SJ-ST-14", "its own parent")
        require(self.half(lender).known, "SJ-ST-4", f"stream {lender} lends before its opening was acknowledged")
        self.half(lender).charged += COST + borrow
        self.check_credit(lender)
        self.limits[stream] = borrow
        if not is_reset:
            self.peer_limit(stream, opening.credit)

    def check_credit(self, stream):
        half = self.half(stream)
        limit = self.limits.get(stream, 0)
        require(half.highest + half.charged <= limit, "SJ-ST-3",
                f"stream {stream}: {half.highest} + {half.charged} of {limit}")

    def send_reset(self, frame):
        require(frame.stream != 0, "SJ-ST-11", "RESET of the root")
        half = self.half(frame.stream)
        if self.is_own(frame.stream):
            self.open(frame.stream, frame, is_reset=True)
        else:
            require(half.known, "SJ-ST-15", f"RESET of stream {frame.stream}, which is not open")
        half.end_at(frame.final, "RESET")
        half.reset = frame.code

    def send_credit(self, frame):
        require(self.half(frame.stream).known, "SJ-ST-13", f"CREDIT of stream {frame.stream}")
        self.peer_limit(frame.stream, frame.maximum)
        if self.role == SERVER and not self.channel.accepted:
            require(sum(self.granted.values()) <= BEFORE_LOGIN, "SJ-LG-4", f"{self.granted} before the login")

    def read_records(self):
        records, end = login.get_records(bytes(self.root[self.record_at:]))
        self.record_at += end
        for kind, values in records:
            self.records.append(kind)
            self.channel.record(self.role, kind, values)

    # -- received

    def receive(self, address, one):
        """A packet of the peer as it was sent."""
        first = one.number not in self.delivered
        if not first:
            return
        self.delivered[one.number] = one
        for frame in one.frames:
            self.receive_frame(one, frame)
        if self.role == SERVER and not self.fresh_ids():
            self.no_fresh.add(address)

    def receive_frame(self, one, frame):
        kind = frame.kind
        if kind in (wire.STREAM, wire.RESET, wire.CREDIT, wire.STOP, wire.PRIORITY):
            self.half(frame.stream).known = True
        if kind in (wire.ACK, wire.ACK_ECN):
            for first, last in frame.ranges:
                for number in range(first, last + 1):
                    if number in self.sent and number not in self.acked:
                        self.on_acked(number)
        elif kind == wire.CLOSE:
            # opened for sure if something of that phase was before
            if self.followed == one.phase and one.data[1:9] not in self.removed_ids:
                self.heard_close = True
        elif kind == wire.PARAMETERS:
            values = handshake.get_parameters(frame.list)
            self.peer_ids.setdefault(values[handshake.ID], 0)
            self.limits[0] = max(self.limits.get(0, 0), values[handshake.ROOT_CREDIT])
        elif kind == wire.NEW_ID:
            self.peer_ids.setdefault(frame.id, frame.sequence)
        elif kind == wire.RETIRE_ID:
            self.removed_ids.add(self.own_ids.get(frame.sequence))
        elif kind == wire.PATH_RESPONSE:
            self.channel.proven.update(self.challenges.get(frame.data, ()))
        elif kind == wire.STREAM:
            self.peer.half(frame.stream).arrived.append((frame.offset, frame.offset + len(frame.data)))
            if frame.opening:
                self.limits[frame.stream] = max(self.limits.get(frame.stream, 0), frame.opening.credit)
        elif kind == wire.CREDIT:
            self.limits[frame.stream] = max(self.limits.get(frame.stream, 0), frame.maximum)
        elif kind == wire.STOP:
            self.half(frame.stream).stopped = one.now

    def on_acked(self, number):
        self.acked.add(number)
        one = self.sent[number]
        self.phase_acked = self.phase_acked or one.phase == self.phase
        for frame in one.frames:
            if frame.kind == wire.PARAMETERS:
                self.parameters_acked = True
            elif frame.kind in (wire.STREAM, wire.RESET):
                self.half(frame.stream).known = True

    # -- at the end

    def finish(self):
        ends = max((one.now for one in self.sent.values()), default=0)
        for stream, half in self.halves.items():
            if half.stopped and ends > half.stopped + 5_000_000_000:
                require(half.final is not None, "SJ-ST-12", f"STOP of stream {stream} was not answered")
        others = {number for other in self.peer.sent.values() for frame in other.frames
                  if frame.kind in (wire.ACK, wire.ACK_ECN) for first, last in frame.ranges
                  for number in range(first, last + 1) if number in self.skipped}
        require(not others, "SJ-PK-6", f"{others} were skipped and are acknowledged")
        telling = [one for _, one in sorted(self.sent.items()) if any(frame.kind not in QUIET for frame in one.frames)]
        require(len(telling) < GREASED or any(wire.grease(frame.kind) for one in telling[:GREASED]
                                              for frame in one.frames), "SJ-VN-5", "no grease in the first packets")


class Channel:
    """Both sides of what a handshake made."""

    def __init__(self, observer, hello, address, secrets, values):
        self.observer, self.address, self.hello = observer, address, hello
        self.hash, self.server_key = secrets.handshake_hash, observer.host.public
        self.sides = [Side(self, SERVER, secrets.to_client), Side(self, CLIENT, secrets.to_server)]
        self.sides[0].peer, self.sides[1].peer = self.sides[1], self.sides[0]
        self.bytes_in, self.bytes_out, self.proven = {}, {}, set()
        self.opened_from, self.accepted, self.login = None, False, None
        server, client = self.sides
        client.limits[0] = values[handshake.ROOT_CREDIT]
        require(values[handshake.ROOT_CREDIT] <= BEFORE_LOGIN, "SJ-LG-4", "too much credit in message 2")
        server.peer_limit(0, values[handshake.ROOT_CREDIT])
        client.peer_ids[values[handshake.ID]] = 0
        server.give_id(0, values[handshake.ID])

    def deliver(self, address, one, size):
        if one.side.role == CLIENT:
            self.bytes_in[address] = self.bytes_in.get(address, 0) + size
            if self.opened_from is None:
                self.opened_from = address
                if address == self.address:
                    self.proven.add(address)
        one.side.peer.receive(address, one)

    def pay(self, address, size, frames):
        """[SJ-HS-6], [SJ-PA-1], [SJ-PA-4]: bytes to an address."""
        self.bytes_out[address] = self.bytes_out.get(address, 0) + size
        if address in self.proven or address in self.observer.cookie_proven and address == self.address:
            return
        require(self.bytes_out[address] <= self.bytes_in.get(address, 0), "SJ-HS-6",
                f"{self.bytes_out[address]} bytes to {address}, {self.bytes_in.get(address, 0)} from there")
        if frames and any(frame.kind not in PATH_FRAMES for frame in frames):
            require(address == self.opened_from, "SJ-PA-1", f"more than a challenge to {address}")

    def record(self, role, kind, values):
        if role == CLIENT and kind == login.LOGIN:
            self.login = values
            reader = wire.Reader(values[login.MESSAGE])
            blob, signature = reader.ssh_string(), reader.ssh_string()
            proof = login.proof(self.hash, self.server_key, values[login.SERVER], values[login.APPLICATION],
                                values[login.USER], blob, wire.Reader(values[login.NUMBER]).varint())
            require(not reader.left() and login.verify(blob, signature, proof), "SJ-LG-7", "a login that proves nothing")
        elif role == SERVER and kind == login.RESULT:
            require(self.login, "SJ-LG-8", "a result before a login")
            self.accepted = self.accepted or values[login.CODE] == b"\0"
        elif role == SERVER and kind == login.ENDED:
            require(login.LOGOUT in self.sides[CLIENT].records, "SJ-LG-8", "ended without a logout")
        else:
            require(role == CLIENT and kind == login.LOGOUT and self.accepted, "SJ-LG-1", f"record {kind}")


class Observer:
    """Fed the lines of a transcript (tests/sim/record.h)."""

    def __init__(self):
        self.host, self.ephemerals, self.key_log = None, {}, {}
        self.hellos, self.answers, self.channels = {}, {}, []
        self.packets, self.ids = {}, ({}, {})  # by who writes to the id: server, client
        self.cookies, self.cookie_proven, self.strangers = {}, set(), {}
        self.sessions, self.written, self.finished = {}, {}, set()
        self.phases = self.datagrams = self.damaged = 0

    def line(self, words):
        kind = words[0]
        if kind in "<>":
            end, now, address, data = int(words[1]), int(words[2]), words[3], bytes.fromhex(words[4])
            self.datagrams += 1
            (self.on_sent if kind == ">" else self.on_received)(end, now, address, data)
        elif kind == "H":
            self.host = noise.Key(bytes.fromhex(words[1]))
        elif kind == "E":
            key = noise.Key(bytes.fromhex(words[2]))
            self.ephemerals[key.public] = key
        elif kind == "K":
            suite, values = int(words[2]), [bytes.fromhex(word) for word in words[3:]]
            known = self.key_log.setdefault(values[0], (suite, values[1:]))
            require(known == (suite, values[1:]), "SJ-HS-1", "both ends do not have the same keys")
        elif kind == "S":
            owner, which = (words[1], words[2]), bytes.fromhex(words[3])
            self.sessions[owner] = which
            # a client may have written before it had a channel
            for key in [key for key in self.written if key[0] == owner]:
                self.written[(which,) + key[1:]] = self.written.pop(key)
            self.finished = {((which if key[0] == owner else key[0]),) + key[1:] for key in self.finished}
        elif kind in "WF":
            owner = self.sessions.get((words[1], words[2]), (words[1], words[2]))
            key = (owner, int(words[1]) > 0, int(words[3]))
            if kind == "F":
                self.finished.add(key)
            else:
                self.written.setdefault(key, bytearray()).extend(bytes.fromhex(words[4]))

    # -- sent

    def on_sent(self, end, now, address, data):
        if not data[0] & 0x80:
            channel = self.ids[min(end, 1)].get(data[1:9])
            require(channel, "SJ-ID-1", "a packet to nobody")
            channel.sides[SERVER if end == 0 else CLIENT].send(now, address, data)
            return
        one = packet.get_long(data)
        if end > 0:
            self.on_hello(one, data)
        elif one.kind == packet.ANSWER:
            self.on_answer(one, address, data)
        else:
            self.strangers[address] = self.strangers.get(address, 0) - len(data)
            require(self.strangers[address] >= 0, "SJ-HS-6", f"more to the stranger {address} than came")
            if one.kind == packet.COOKIE:
                self.cookies.setdefault(address, set()).add(one.cookie)

    def on_hello(self, one, data):
        require(one.kind == packet.HELLO and len(data) == HELLO_SIZE and len(one.part) == packet.FRAGMENT and
                one.total <= packet.BODY_MAX and one.offset % packet.FRAGMENT == 0, "SJ-HS-12", "the form of a hello")
        hello = self.hellos.setdefault((one.source, one.destination), SimpleNamespace(
            header=one.header, digest=one.digest, assembly=packet.Assembly(), body=None))
        require(hello.header == one.header and hello.digest == one.digest, "SJ-HS-1", "copies of a hello differ")
        if hello.body:
            require(hello.body[one.offset:one.offset + len(one.part)] == one.part, "SJ-HS-1", "copies of a hello differ")
            return
        body = hello.assembly.add(one)
        if body is None:
            return
        require(packet.digest(body) == one.digest, "SJ-HS-12", "another digest")
        hello.body, offer = body, packet.get_offer(body)
        names = packet.PATTERN_NAMES[offer.pattern], packet.CIPHERS[offer.suite]
        require(offer.pattern == packet.NX or offer.number == packet.key_number(self.host.public), "SJ-HS-3", "its key")
        prologue = packet.prologue(one.header, body[:12])
        hello.responder = noise.Handshake(*names, False, prologue, static=self.host)
        payload = hello.responder.read(body[12:])
        hello.initiator = noise.Handshake(*names, True, prologue,
                                          peer_static=self.host.public if offer.pattern == packet.NK else None)
        require(hello.initiator.write(payload, self.ephemerals[body[12:44]]) == body[12:], "SJ-HS-1", "message 1")
        values = dict(wire.get_list(payload))
        listed = [int.from_bytes(values[handshake.VERSIONS][at:at + 4], "big")
                  for at in range(0, len(values[handshake.VERSIONS]), 4)]
        require(packet.VERSION in listed, "SJ-VN-3", f"versions {listed}")
        require(any(version & 0x0f0f0f0f == 0x0a0a0a0a for version in listed), "SJ-VN-4", "no version is grease")
        require(any(wire.grease(kind) for kind in values), "SJ-VN-4", "no parameter is grease")
        hello.payload, hello.cookie, hello.suites = payload, one.cookie, values[handshake.SUITES]

    def on_answer(self, one, address, data):
        hello = self.hellos[one.destination, one.source]
        key = (address, one.destination, one.source)
        answer = self.answers.setdefault(key, SimpleNamespace(
            assembly=packet.Assembly(), body=None, channel=None, bytes_in=0, bytes_out=0))
        answer.bytes_out += len(data)
        require(answer.bytes_out <= answer.bytes_in or address in self.cookie_proven, "SJ-HS-6",
                f"an answer of {answer.bytes_out} bytes for hellos of {answer.bytes_in}")
        require(one.total <= ANSWER_MAX, "SJ-HS-13", "an answer too long")
        if answer.assembly.parts.get(one.offset, one.part) != one.part:
            answer.assembly.parts = {}  # the half-open channel before it was given up
        body = answer.assembly.add(one)
        if body is None or body == answer.body:
            return
        initiator, responder = (copy.copy(state) for state in (hello.initiator, hello.responder))
        initiator.messages, responder.messages = list(initiator.messages), list(responder.messages)
        try:
            payload = initiator.read(body)
        except noise.NoiseError:
            require(len(answer.assembly.parts) > 1, "SJ-HS-1", "an answer that does not verify")
            answer.assembly.parts = {one.offset: one.part}  # two answers cut elsewhere, mixed
            return
        answer.body = body
        require(responder.write(payload, self.ephemerals[body[:32]]) == body, "SJ-HS-1", "message 2")
        values = handshake.get_parameters(payload)
        suite = values[handshake.SUITE][0]
        require(suite in hello.suites, "SJ-HS-8", f"suite {suite}")
        require(any(wire.grease(kind) for kind in values), "SJ-VN-4", "no parameter is grease")
        secrets = packet.Secrets(initiator, suite)
        expected = [secrets.to_server.phase(0).secret, secrets.to_client.phase(0).secret, secrets.master]
        require(self.key_log.get(initiator.hash) == (suite, expected), "SJ-HS-1", "other keys than we computed")
        answer.channel = Channel(self, hello, address, secrets, values)
        answer.channel.noise, answer.channel.payload, answer.channel.answer = initiator, payload, body
        answer.channel.bytes_in[address], answer.channel.bytes_out[address] = answer.bytes_in, answer.bytes_out
        self.channels.append(answer.channel)

    # -- received

    def on_received(self, end, _now, address, data):
        if data[0] & 0x80:
            if end == 0:
                self.on_stranger(address, data)
            return
        one = self.packets.get(data)
        if one is None:  # damaged on the way
            self.damaged += 1
            return
        require((one.side.role == CLIENT) == (end == 0), "SJ-PK-2", "reflected")
        one.side.channel.deliver(address, one, len(data))

    def on_stranger(self, address, data):
        """All that comes from there counts, whatever it is."""
        self.strangers[address] = self.strangers.get(address, 0) + len(data)
        try:
            one = packet.get_long(data)
        except wire.WireError:
            return
        if one.kind != packet.HELLO or one.version != packet.VERSION:
            return
        if one.cookie in self.cookies.get(address, ()):
            self.cookie_proven.add(address)
        key = (address, one.source, one.destination)
        answer = self.answers.setdefault(key, SimpleNamespace(
            assembly=packet.Assembly(), body=None, channel=None, bytes_in=0, bytes_out=0))
        answer.bytes_in += len(data)
        if answer.channel:
            answer.channel.bytes_in[address] = answer.channel.bytes_in.get(address, 0) + len(data)

    # -- at the end

    def finish(self):
        """Compares what was written with what went; the streams that ended."""
        hashes = {channel.hash for channel in self.channels}
        whole = 0
        for channel in self.channels:
            for side in channel.sides:
                side.finish()
                for stream, half in side.halves.items():
                    if stream != 0:
                        whole += self.compare(channel, side, stream, half)
        for owner, _, stream in self.written:
            require(owner in hashes, "SJ-ST-1", f"stream {stream} was written and has no channel")
        return whole

    def compare(self, channel, side, stream, half):
        key = (channel.hash, side.role == CLIENT, stream)
        data = bytes(self.written.get(key, b""))
        for offset, piece in half.pieces:
            require(data[offset:offset + len(piece)] == piece, "SJ-ST-1",
                    f"stream {stream}: bytes at {offset} are not what was written")
        if half.fin:
            require(key in self.finished and half.final == len(data), "SJ-ST-5",
                    f"stream {stream} ends at {half.final}, {len(data)} bytes were written")
        if not half.fin or self.is_reset(channel, stream):
            return 0
        require(half.is_whole(), "SJ-ST-1", f"stream {stream} ended, and not all of it came")
        return 1

    def seen(self):
        """What there was to judge, by name."""
        sides = [side for channel in self.channels for side in channel.sides]
        halves = [half for side in sides for half in side.halves.values()]
        return {"channels": len(self.channels), "phases": self.phases, "cookies": len(self.cookies),
                "skipped": sum(len(side.skipped) for side in sides),
                "moves": sum(len(channel.proven) > 1 for channel in self.channels),
                "resets": sum(half.reset is not None for half in halves),
                "stops": sum(half.stopped is not None for half in halves),
                "lent": sum(bool(half.opening and half.opening[0] and not half.opening[2]) for half in halves),
                "fragments": sum(hello.assembly.total > packet.FRAGMENT for hello in self.hellos.values()),
                "closes": sum(side.closes for side in sides), "repeated": sum(side.closes > 1 for side in sides),
                "damaged": self.damaged}

    @staticmethod
    def is_reset(channel, stream):
        """It, or an ancestor: what was under way may be lost [SJ-ST-10]."""
        while stream != 0:
            halves = [side.halves.get(stream, Half()) for side in channel.sides]
            if any(half.reset is not None or half.stopped for half in halves):
                return True
            opening = halves[0].opening or halves[1].opening
            if opening is None:
                return True
            stream = opening[0]
        return False

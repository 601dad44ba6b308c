# SPDX-License-Identifier: ISC
"""A session: streams, their credit, the tree of them (PROTOCOL.md section 6)."""
from . import handshake, wire
from .channel import ProtocolError

COST = 256  # of an opening [SJ-ST-4]
BORROW_MAX = 256 << 10
CODE_CLOSED, CODE_NO_SERVICE, CODE_ANCESTOR, CODE_NO_ROOM = 1, 2, 3, 4
WINDOW = 128 << 10


class Stream:
    """Both directions of a stream."""

    def __init__(self, session, number, opening=None, ours=True):
        self.session, self.number, self.ours = session, number, ours
        self.parent, self.lender, self.borrow = None, None, 0
        # what we send
        self.opening = opening  # bytes, until a frame of the stream was acknowledged
        self.known = not ours  # the peer knows the stream [SJ-ST-13]
        self.data, self.fresh, self.again = bytearray(), 0, []
        self.end_wanted = self.end_sent = self.end_acked = False
        self.limit = self.charged = 0
        self.reset_code = None  # we reset our direction
        # what we receive
        self.pieces, self.read, self.consumed = {}, bytearray(), 0
        self.final, self.peer_reset, self.stopped = None, None, None
        self.highest, self.granted, self.window, self.charged_to = 0, 0, WINDOW, 0
        self.borrow_returned = ours
        self.released = False
        self.by_hand = False  # frames of it are sent by a test, which we do not know

    # -- out

    def write(self, data, last=False):
        self.data += data
        self.end_wanted = self.end_wanted or last

    def room(self):
        return self.limit - self.charged - self.fresh

    def has_data(self):
        if self.reset_code is not None:
            return False
        if self.again or self.end_wanted and not self.end_sent and self.fresh == len(self.data):
            return True
        return self.fresh < len(self.data) and self.room() > 0 or self.opening is not None and not self.fresh and \
            not self.end_sent and not self.session.opened_once(self)

    def next_frame(self, space):
        """(bytes, acked, lost) or None."""
        head = 40 + len(self.opening or b"")
        if space < head + 1 or not self.has_data():
            return None
        if self.again:
            offset, size, last = self.again.pop(0)
            if size > space - head:
                self.again.insert(0, (offset + space - head, size - (space - head), last))
                size, last = space - head, False
        else:
            offset = self.fresh
            size = max(0, min(len(self.data) - offset, space - head, self.room()))
            last = self.end_wanted and offset + size == len(self.data)
            self.fresh += size
            self.end_sent = self.end_sent or last
        self.session.opened.add(self.number)
        frame = wire.stream(self.number, bytes(self.data[offset:offset + size]), offset, last, self.opening)
        return (frame, lambda: self.acked(last), lambda: self.lost(offset, size, last))

    def acked(self, last):
        self.opening, self.known = None, True
        self.end_acked = self.end_acked or last

    def lost(self, offset, size, last):
        if self.reset_code is None:
            self.again.append((offset, size, last))

    def reset(self, code):
        if self.reset_code is None and not self.end_acked:
            self.reset_code = code
            self.again = []
            self.session.channel.send(wire.reset(
                self.number, code, self.fresh, self.parent.number if self.parent else 0, self.borrow,
                1 if self.lender and self.lender.number == 0 else 0))

    def stop(self, code):
        if self.final is None or len(self.read) < self.final:
            self.session.channel.send(wire.stop(self.number, code))

    # -- in

    def take(self, frame):
        end = frame.offset + len(frame.data)
        if self.final is not None and (end > self.final or frame.last and end != self.final):
            raise ProtocolError("bytes after the end [SJ-ST-5]")
        if frame.last:
            if end < self.highest:
                raise ProtocolError("an end before bytes that came [SJ-ST-5]")
            self.final = end
        self.reach(end)
        if frame.data and self.peer_reset is None:
            old = self.pieces.get(frame.offset, b"")
            if len(frame.data) > len(old):
                self.pieces[frame.offset] = frame.data
        for offset in sorted(self.pieces):
            if offset > len(self.read):
                break
            self.read += self.pieces.pop(offset)[len(self.read) - offset:]

    def reach(self, end):
        self.highest = max(self.highest, end)
        if self.highest + self.charged_to > self.granted:
            raise ProtocolError("more than was granted [SJ-ST-3]")

    def ended(self):
        """The peer's direction is over and all of it is here."""
        return self.peer_reset is not None or self.final is not None and len(self.read) == self.final

    def take_all(self):
        """What came since the last call; makes room for as much."""
        data = bytes(self.read[self.consumed:])
        self.consumed = len(self.read)
        wanted = self.consumed + self.charged_to + self.window
        if self.known and self.final is None and wanted - self.granted >= self.window // 2:
            self.grant(wanted)
        return data

    def grant(self, maximum):
        self.granted = max(self.granted, maximum)
        self.session.channel.send(wire.credit(self.number, self.granted))
        if not self.borrow_returned:  # [SJ-ST-6]
            self.borrow_returned = True
            self.lender.grant(self.lender.granted + self.borrow)

    def release(self):
        """The application lets go of a stream that the peer opened."""
        if not self.released and not self.ours:
            self.released = True
            back = COST + (0 if self.borrow_returned else self.borrow)
            self.borrow_returned = True
            self.lender.grant(self.lender.granted + back)


class Session:
    """The streams of one channel. client: which ids are ours."""

    def __init__(self, client, root_granted):
        self.client, self.channel = client, None
        self.opened = set()  # streams of which a frame was sent
        self.root = Stream(self, 0)
        self.root.known, self.root.granted = True, root_granted
        self.streams, self.gone = {0: self.root}, {}
        self.next_id = 2 if client else 1
        self.arrived = []  # streams that the peer opened and nobody looked at
        self.peer_parameters = None
        self.tolerant = False  # streams of our parity may be opened by hand, as tests do

    def find(self, number):
        """A stream, or None."""
        if number not in self.streams and self.tolerant and number % 2 == (0 if self.client else 1):
            one = self.streams[number] = Stream(self, number)
            one.limit, one.granted, one.by_hand = 0, 1 << 40, True
        return self.streams.get(number)

    def opened_once(self, stream):
        return stream.number in self.opened

    def open(self, service, parent=None, borrow=1024, credit=WINDOW, lender_is_root=True, weight=1, flags=2):
        lender = self.root if lender_is_root or parent is None else parent
        assert lender.room() >= COST + borrow, "no credit to open a stream with"
        lender.charged += COST + borrow
        flags |= wire.LENDER_IS_ROOT if lender_is_root and parent is not None else 0
        one = Stream(self, self.next_id, wire.opening(
            service, parent.number if parent else 0, borrow, credit, flags, weight))
        one.parent, one.lender, one.borrow = parent or self.root, lender, borrow
        one.limit, one.granted, one.window = borrow, credit, credit
        self.streams[one.number] = one
        self.next_id += 2
        return one

    # -- what the channel asks

    def has_data(self):
        return any(one.has_data() for one in self.streams.values())

    def fill(self, room):
        pieces = []
        for one in list(self.streams.values()):
            while room > 60:
                piece = one.next_frame(room)
                if not piece:
                    break
                pieces.append(piece)
                room -= len(piece[0])
        return pieces

    def frame(self, frame):
        if frame.kind == wire.PARAMETERS:
            self.take_parameters(handshake.get_parameters(frame.list))
        elif frame.kind == wire.STREAM:
            one = self.find(frame.stream) or self.arrive(frame)
            one.take(frame)
        elif frame.kind == wire.RESET:
            self.take_reset(frame)
        elif frame.kind in (wire.CREDIT, wire.STOP, wire.PRIORITY):
            one = self.find(frame.stream)
            if one is None:
                raise ProtocolError("a stream that nobody opened [SJ-ST-13]")
            if frame.kind == wire.CREDIT:
                one.limit = max(one.limit, frame.maximum)
            elif frame.kind == wire.STOP:
                if frame.stream == 0:
                    raise ProtocolError("the root is not stopped [SJ-ST-11]")
                one.stopped = frame.code
                if not one.by_hand:
                    one.reset(frame.code)  # [SJ-ST-12]

    def take_parameters(self, values):
        self.peer_parameters = values
        self.root.limit = max(self.root.limit, values.get(handshake.ROOT_CREDIT, 0))
        if self.channel.peer_id is None and handshake.ID in values:
            self.channel.peer_id = values[handshake.ID]
            self.channel.peer_ids[0] = values[handshake.ID]

    def arrive(self, frame):
        if frame.stream % 2 == (0 if self.client else 1):
            raise ProtocolError("a stream of ours that we did not open")
        if frame.opening is None:
            raise ProtocolError("a stream without an opening [SJ-ST-2]")
        how = frame.opening
        return self.adopt(frame.stream, how.parent, how.borrow, bool(how.flags & wire.LENDER_IS_ROOT), how)

    def adopt(self, number, parent, borrow, root_lends, how):
        one = Stream(self, number, ours=False)
        one.parent = self.streams.get(parent)
        one.lender = self.root if root_lends else one.parent
        if one.parent is None or borrow > BORROW_MAX:
            raise ProtocolError("an opening without parent, or of too much [SJ-ST-4]")
        one.how, one.borrow, one.granted = how, borrow, borrow
        one.limit = how.credit if how else 0
        one.lender.charged_to += COST + borrow
        one.lender.reach(0)
        self.streams[number] = one
        self.arrived.append(one)
        return one

    def take_reset(self, frame):
        if frame.stream == 0:
            raise ProtocolError("the root is not reset [SJ-ST-11]")
        one = self.find(frame.stream)
        if one is None:
            one = self.adopt(frame.stream, frame.parent, frame.borrow, bool(frame.flags & 1), None)
        if one.final is not None and one.final != frame.final or frame.final < one.highest:
            raise ProtocolError("another end [SJ-ST-5]")
        one.final, one.peer_reset = frame.final, frame.code
        one.reach(frame.final)

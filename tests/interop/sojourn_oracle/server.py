# SPDX-License-Identifier: ISC
"""A server with one service, echo, for whoever holds a key that it knows."""
import hmac
import os
import time
from types import SimpleNamespace

from . import handshake, login, noise, packet, wire
from .channel import CODE_PROTOCOL, Channel
from .endpoint import Socket
from .session import CODE_NO_SERVICE, Session

ROOT_CREDIT = 16 << 10  # before the login [SJ-LG-4]
ROOT_CREDIT_AFTER = 1 << 20
REFUSED = 114


class Server:
    """authorized: key blobs. What came is kept for the tests to look at."""

    def __init__(self, authorized, static=None, loss=0.0, seed=2, choose=None):
        self.static, self.authorized = static or noise.Key(), authorized
        self.socket = Socket(loss=loss, seed=seed)
        self.choose = choose  # a suite to answer with, for tests
        self.answer = True  # False: to no hello
        self.hybrid, self.lie = True, 0  # what we have; what we refuse though we could
        self.no_version = False  # True: we speak none of theirs
        self.cookies, self.cookies_sent, self.secret = False, 0, os.urandom(32)
        self.tokens = {}  # of message 2, with the address and the time until which they are good
        self.tokens_taken, self.refusals = 0, []
        self.answer_fragment = 1150
        self.tamper = 0  # so many answers are spoilt
        self.ids_used = set()  # of ours, by the clients
        self.channels, self.answered, self.assemblies = [], {}, {}
        self.bytes_in, self.proven = {}, set()  # by hello: what came; whose address is proven
        self.hellos, self.shorts, self.offers = 0, 0, []

    def port(self):
        return self.socket.address()[1]

    def work(self):
        for one in self.channels:
            one.channel.tick()
            one.channel.transmit()
            if one.state == "logged in":
                self.echo(one.session)

    def receive(self):
        while (got := self.socket.receive()) is not None:
            data, address = got
            if data and data[0] & 0x80:
                self.hello(data, address)
            elif data:
                self.shorts += 1
                for one in self.channels:
                    if data[1:9] in one.channel.own_ids.values() and one.channel.receive(data, address):
                        self.ids_used.add(data[1:9])
                        self.opened(one)

    def hello(self, data, address):
        self.hellos += 1
        if len(data) < handshake.SMALLEST_HELLO or not self.answer:  # [SJ-HS-5]
            return
        try:
            one = packet.get_long(data)
            if one.version != packet.VERSION or self.no_version:  # [SJ-VN-1]
                self.socket.send(packet.versions(one.source, one.destination, [0x1a2a3a4a]), address)
                return
            if one.kind != packet.HELLO:
                return
            known = (address, one.header[5:], one.digest)
            if self.cookies and not self.may_go_on(one, address, known):  # [SJ-HS-11]
                self.cookies_sent += 1
                self.socket.send(packet.cookie(one.source, one.destination, self.cookie(address, one)), address)
                return
            self.bytes_in[known] = self.bytes_in.get(known, 0) + len(data)
            self.body(one, address, known)
        except (wire.WireError, noise.NoiseError):
            return  # [SJ-PK-2]
        except handshake.Refused as refused:
            self.refusals.append(refused.args[0])
            self.socket.send(packet.refusal(one.source, one.destination, refused.args[0]), address)

    def may_go_on(self, one, address, known):
        """Under load: with a cookie, which proves the address, or with a token,
        which does not [SJ-HS-32]."""
        if one.cookie == self.cookie(address, one):
            self.proven.add(known)
            return True
        host, until = self.tokens.get(one.cookie, (None, 0))
        good = host == address[0] and time.time() < until
        self.tokens_taken += good
        return good

    def token(self, address):
        one = os.urandom(16)
        self.tokens[one] = (address[0], time.time() + 86400)
        return [(handshake.TOKEN, one)]

    def cookie(self, address, one):
        return hmac.digest(self.secret, repr(address).encode() + one.digest, "sha256")[:16]

    def body(self, one, address, known):
        """A fragment of a hello, maybe the last that was missing."""
        if known not in self.answered:
            body = self.assemblies.setdefault(known, packet.Assembly()).add(one)
            if body is None or packet.digest(body) != one.digest:
                return
            self.offers.append(packet.get_offer(body))
            own_id = os.urandom(8)
            entries = handshake.parameters(own_id, ROOT_CREDIT) + [(handshake.grease(), b"")] + self.token(address)
            got = handshake.Responder(one, body, self.static, own_id, entries, time.time(), self.choose, self.hybrid,
                                      self.lie)
            self.answered[known] = SimpleNamespace(body=got.body, next=0, attempt=0, bytes_out=0)
            self.add(got, own_id, address)
        self.go_on(one, address, known)

    def go_on(self, one, address, known):
        """Fragments of the answer, the same to each copy of the hello, one of
        them to a copy if they are small for a test; as many as [SJ-HS-6] lets
        go, and the rest with the next copy [SJ-HS-13]."""
        what = self.answered[known]
        parts = packet.answer(one.source, one.destination, what.attempt, what.body, self.answer_fragment)
        while what.next < len(parts):
            part = parts[what.next]
            if known not in self.proven and what.bytes_out + len(part) > self.bytes_in[known]:
                return
            if self.tamper:
                self.tamper -= 1
                part = part[:-1] + bytes([part[-1] ^ 1])
            self.socket.send(part, address)
            what.bytes_out += len(part)
            what.next += 1
            if self.answer_fragment < 1150:
                break
        if what.next == len(parts):
            what.next, what.attempt = 0, what.attempt + 1 & 255

    def add(self, got, own_id, address):
        session = Session(False, ROOT_CREDIT)
        channel = Channel(got.secrets.to_client, got.secrets.to_server, own_id, None, self.socket.send, session)
        channel.address, session.channel = address, channel
        self.channels.append(SimpleNamespace(channel=channel, session=session, secrets=got.secrets, state="new",
                                             record_at=0, user=None, values=got.values, logins=[]))

    def opened(self, one):
        """After a packet of a channel."""
        channel, session = one.channel, one.session
        if channel.opened == 1:
            if channel.peer_id is None:
                channel.ended = "no PARAMETERS in the first packet [SJ-HS-9]"
                return
            for _ in range(3):
                channel.give_id()
        data = bytes(session.root.read)
        records, end = login.get_records(data[one.record_at:])
        one.record_at += end
        session.root.take_all() if one.state == "logged in" else None
        for kind, values in records:
            if kind == login.LOGIN and one.state == "new":
                self.login(one, values)
            elif kind == login.LOGOUT and one.state == "logged in":
                one.state = "logged out"
                session.root.write(login.record(login.ENDED, [(login.CODE, wire.varint(144))]))
            elif not wire.grease(kind):
                channel.close(CODE_PROTOCOL, b"record")

    def login(self, one, values):
        blob = b""
        try:
            message = wire.Reader(values[login.MESSAGE])
            blob, signature = message.ssh_string(), message.ssh_string()
            number = wire.Reader(values[login.NUMBER]).varint()
            words = login.proof(one.secrets.handshake_hash, self.static.public, values[login.SERVER],
                                values[login.APPLICATION], values[login.USER], blob, number)
            proven = login.verify(blob, signature, words) and not message.left()
        except (wire.WireError, KeyError):
            proven = False
        one.logins.append((values, proven))
        good = (proven and blob in self.authorized and values[login.MECHANISM] == b"publickey" and
                values[login.APPLICATION] == b"sojourn")
        now = int(time.time())
        entries = [(login.CODE, wire.varint(0 if good else REFUSED))]
        if good:
            one.state, one.user = "logged in", values[login.USER]
            entries += [(login.SESSION, os.urandom(8)), (login.USER, one.user), (login.CREDENTIAL, b"a key"),
                        (login.EXPIRES, wire.varint(now + 86400)), (login.IDLE, wire.varint(86400)),
                        (login.TIME, wire.varint(now))]
        one.session.root.write(login.record(login.RESULT, entries))
        if good:
            one.session.root.window = ROOT_CREDIT_AFTER
            one.session.root.take_all()

    def echo(self, session):
        for stream in list(session.streams.values())[1:]:
            if stream.number % 2:
                continue
            if not hasattr(stream, "how") or stream.how is None:
                continue
            if stream.how.service != b"echo":
                stream.reset(CODE_NO_SERVICE)
                stream.stop(CODE_NO_SERVICE) if stream.stopped is None else None
                stream.stopped = CODE_NO_SERVICE
                stream.release()
                continue
            if len(stream.data) - stream.fresh < 1 << 18:  # as long as the peer reads
                stream.write(stream.take_all())
            if stream.ended() and not stream.end_wanted and stream.consumed == len(stream.read):
                if stream.peer_reset is not None:
                    stream.reset(1)
                stream.end_wanted = True
            if stream.end_acked:
                stream.release()

# SPDX-License-Identifier: ISC
"""Sockets, and the loop that moves everything: a client, a server."""
import os
import random
import select
import socket
import time

from . import handshake, login, noise, packet, wire
from .channel import Channel
from .session import Session

LIMIT_S = 20


class Silence(Exception):
    """Nothing came of it in the time that is for it."""


class Socket:
    """A UDP socket that loses some of what goes through it."""

    def __init__(self, bind=("127.0.0.1", 0), loss=0.0, seed=1):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind(bind)
        self.loss, self.random = loss, random.Random(seed)
        self.dropped = self.bytes_out = self.bytes_in = 0
        self.log = None  # a list: what came, for tests

    def loses(self):
        lost = self.random.random() < self.loss
        self.dropped += lost
        return lost

    def send(self, data, address):
        self.bytes_out += len(data)
        if not self.loses():
            self.socket.sendto(data, address)

    def receive(self):
        """(data, address), or None if there is nothing now."""
        try:
            data, address = self.socket.recvfrom(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        self.bytes_in += len(data)
        if self.log is not None:
            self.log.append(data)
        return (b"", address) if self.loses() else (data, address)

    def address(self):
        return self.socket.getsockname()

    def close(self):
        self.socket.close()


def drive(endpoints, until, limit=LIMIT_S, strict=True):
    """Moves the endpoints until something is true; Silence if it never is."""
    end = time.monotonic() + limit
    while not until():
        for one in endpoints:
            one.work()
        if until():
            break
        left = end - time.monotonic()
        if left <= 0:
            if strict:
                raise Silence(f"not in {limit} s")
            return False
        sockets = {one.socket.socket: one for one in endpoints}
        for ready in select.select(list(sockets), [], [], min(left, 0.02))[0]:
            sockets[ready].receive()
    return True


class Client:
    """A client of a server at an address."""

    def __init__(self, server, loss=0.0, seed=1, host="127.0.0.1", **options):
        """host: where it is; options: those of handshake.Initiator."""
        self.socket, self.server = Socket((host, 0), loss, seed), server
        self.options, self.initiator, self.channel, self.session = options, None, None, None
        self.refusals, self.attempt, self.resend_at, self.again = [], 0, 0, 0
        self.parameters = self.own_id = None
        self.result, self.records, self.record_at, self.number = None, [], 0, 0
        self.root_credit = 64 << 10
        self.pinned, self.hybrid_before = None, False

    # -- handshake

    def connect(self, server_key=None, pinned=None, limit=LIMIT_S, hybrid_before=False):
        """pinned: the key that must be proven, also where NX has to be used;
        hybrid_before: the server with this key did it once [SJ-HS-31]."""
        self.pinned, self.server_key, self.hybrid_before = pinned or server_key, server_key, hybrid_before
        self.initiator = handshake.Initiator(server_key, **self.options)
        drive([self], lambda: self.channel, limit)
        return self

    def answered(self, secrets, values):
        proven = self.initiator.noise.peer_static
        if self.pinned and proven != self.pinned:
            raise PermissionError("another server key")  # [SJ-HS-4]
        self.server_key, self.secrets, self.values, self.own_id = proven, secrets, values, os.urandom(8)
        self.session = Session(True, self.root_credit)
        entries = handshake.parameters(self.own_id, self.root_credit)
        frame = wire.varint(wire.PARAMETERS) + wire.counted(wire.put_list(entries))
        self.channel = self.session.channel = Channel(
            secrets.to_server, secrets.to_client, self.own_id, values[handshake.ID], self.output, self.session, frame)
        self.session.take_parameters(values)
        for _ in range(3):
            self.channel.give_id()

    def output(self, data, address=None):
        self.socket.send(data, address or self.server)

    # -- the loop

    def work(self):
        if self.channel:
            self.channel.tick()
            self.channel.transmit()
            self.read_records()
        elif time.monotonic() >= self.resend_at:
            self.send_hello()
            self.resend_at, self.again = time.monotonic() + 0.2, 0

    def send_hello(self):
        for data in self.initiator.hello(self.attempt & 255):
            self.output(data)
        self.attempt += 1

    def receive(self):
        while (got := self.socket.receive()) is not None:
            data, address = got
            if not data or address != self.server:  # [SJ-PA-5]
                continue
            if data[0] & 0x80:
                self.receive_long(data)
            elif self.channel and data[1:9] in self.channel.own_ids.values():
                self.channel.receive(data)

    def receive_long(self, data):
        if self.channel:
            return
        try:
            got = self.initiator.take(packet.get_long(data))
        except wire.WireError:
            return
        except handshake.Refused as refused:
            self.refused(refused.args[0])
            return
        if got == "again":
            if self.again < 8:  # [SJ-HS-13]
                self.again += 1
                self.send_hello()
        elif got:
            self.answered(*got)

    def refused(self, codes):
        """The next offer is one without, and says all refusals and the first
        offer [SJ-HS-30]."""
        if codes & packet.NO_HYBRID and self.hybrid_before and self.pinned:
            raise PermissionError("no hybrid any more")  # [SJ-HS-31]
        offered = packet.get_offer(self.initiator.offer)
        first = ((offered.refused_pattern, offered.refused_number) if offered.refusal
                 else (offered.pattern, offered.number))
        self.refusals.append(codes)
        pattern = packet.without(offered.pattern, codes)
        options = dict(self.options, pattern=pattern, token=None, refused=(offered.refusal | codes, *first))
        self.initiator = handshake.Initiator(self.server_key if pattern in packet.NAMES_KEY else None, **options)
        self.attempt = self.resend_at = 0

    # -- login

    def read_records(self):
        data = bytes(self.session.root.read)
        records, end = login.get_records(data[self.record_at:])
        self.record_at += end
        self.session.root.take_all()
        self.records += records
        for kind, values in records:
            if kind == login.RESULT:
                self.result = values

    def send_login(self, private, user, application=b"sojourn", server=login.SERVER_NAME, number=1, claim=None, **other):
        """claim: another key whose blob is shown; other: what proof() takes,
        with signed_ before the names that the record has otherwise."""
        blob = login.key_blob(claim or private)
        words = dict(handshake_hash=self.secrets.handshake_hash, server_key=self.server_key, server=server,
                     application=application, user=user, blob=blob, number=number)
        namespace = other.pop("namespace", login.NAMESPACE)
        words.update((name.removeprefix("signed_"), value) for name, value in other.items())
        message = wire.ssh_string(blob) + wire.ssh_string(login.sign(private, login.proof(**words), namespace))
        self.result = None
        self.session.root.write(login.record(login.LOGIN, [
            (login.APPLICATION, application), (login.SERVER, server), (login.USER, user),
            (login.MECHANISM, b"publickey"), (login.MESSAGE, message), (login.NUMBER, wire.varint(number))]))

    def login(self, private, user, **other):
        """The code of the RESULT."""
        self.send_login(private, user, **other)
        drive([self], lambda: self.result or self.over())
        if self.over():
            raise Silence(f"closed {self.channel.closed} {self.channel.ended}")
        return wire.Reader(self.result[login.CODE]).varint()

    def logout(self):
        self.session.root.write(login.record(login.LOGOUT))
        drive([self], lambda: self.over() or any(kind == login.ENDED for kind, _ in self.records))

    # -- helpers of the tests

    def over(self):
        return self.channel.closed or self.channel.ended

    def wait(self, until, limit=LIMIT_S):
        drive([self], lambda: until() or self.over(), limit)
        return until()

    def fence(self):
        """Everything the server did with earlier packets is here when it
        answers this challenge; False if it closed the channel."""
        data = os.urandom(8)
        self.channel.send(wire.varint(wire.PATH_CHALLENGE) + data)
        return self.wait(lambda: self.response(data))

    def response(self, data):
        return any(one.kind == wire.PATH_RESPONSE and one.data == data for one in self.channel.log)

    def close(self):
        if self.channel:
            self.channel.close()
        self.socket.close()

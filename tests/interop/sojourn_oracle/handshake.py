# SPDX-License-Identifier: ISC
"""The handshake of both sides (PROTOCOL.md sections 2.1 and 3), without a
socket. The bytes of long packets are in packet.py."""
import os
import random

from . import mlkem, noise, packet, wire

PAD, SUITES, SUITE, ID, ROOT_CREDIT, ACK_DELAY, DATAGRAM, VERSIONS, TIME, TOKEN = range(10)
SMALLEST_HELLO = 1200


class Refused(Exception):
    """The server cannot do what was offered; its argument says what, as bits."""


class NoVersion(Exception):
    """The server has none of our versions."""


def grease():
    """A type 31n + 27 that never means anything [SJ-VN-4]."""
    return 31 * random.randrange(1, 100) + 27


def grease_version():
    return int.from_bytes(os.urandom(4), "big") & 0xf0f0f0f0 | 0x0a0a0a0a


def parameters(own_id, root_credit, ack_delay_ms=25, datagram=1452):
    """What each side says of itself, as a list."""
    return [(ID, own_id), (ROOT_CREDIT, wire.varint(root_credit)), (ACK_DELAY, wire.varint(ack_delay_ms)),
            (DATAGRAM, wire.varint(datagram))]


def get_parameters(data):
    """The first entry of a type counts [SJ-HS-14]; unknown ones are skipped."""
    values = dict(reversed(wire.get_list(data)))
    for kind in (ROOT_CREDIT, ACK_DELAY, DATAGRAM):
        if kind in values:
            values[kind] = wire.Reader(values[kind]).varint()
    if ID in values and len(values[ID]) != 8 or TOKEN in values and len(values[TOKEN]) != 16:
        raise wire.WireError("an id has 8 bytes, a token 16")
    return values


class Initiator:
    """One hello and what may answer it."""

    def __init__(self, server_key=None, suite=1, suites=(3, 2, 1), refused=None, fragments=None, pattern=None,
                 wrong_prologue=False, versions=(packet.VERSION,), hybrid=False, number=None, token=None, kem_key=None):
        """refused: (codes, first pattern, first key number) of the refusals
        before; fragments: how many datagrams the hello has; token: of an
        earlier message 2 [SJ-HS-32]; number, kem_key: others than ours, for tests."""
        self.pattern = pattern or packet.pattern_of(server_key is not None, hybrid)
        self.suites = suites
        names_key, hybrid = self.pattern in packet.NAMES_KEY, self.pattern in packet.HYBRID
        number = number or (packet.key_number(server_key) if names_key else bytes(4))
        self.offer = packet.offer(self.pattern, suite, number, *(refused or ()))
        self.source, self.destination = os.urandom(8), os.urandom(8)
        self.header = packet.long_header(packet.HELLO, self.destination, self.source,
                                         random_bits=os.urandom(1)[0] & 15)
        prologue = packet.prologue(self.header, self.offer)
        if wrong_prologue:
            prologue = b"sojourn" + prologue[7:]
        self.noise = noise.Handshake(packet.PATTERN_NAMES[self.pattern], packet.CIPHERS[suite], True, prologue,
                                     peer_static=server_key if names_key else None)
        self.cookie, self.assembly = token or os.urandom(16), packet.Assembly()
        entries = [(SUITES, bytes(suites)), (VERSIONS, b"".join(one.to_bytes(4, "big") for one in versions)),
                   (grease(), os.urandom(3))]
        size = (fragments or 1 + hybrid) * packet.FRAGMENT - 12 - 32 - (16 if names_key else 0)
        size -= mlkem.KEY_SIZE + (16 if names_key else 0) if hybrid else 0
        pad = size - len(wire.put_list(entries)) - 3
        entries.append((PAD, bytes(pad)))
        self.body = self.offer + self.noise.write(wire.put_list(entries), kem_key=kem_key)

    def hello(self, attempt=0):
        """The datagrams of it."""
        return packet.hello(self.header, attempt, self.body, self.cookie)

    def take(self, one):
        """A long packet. Returns (Secrets, parameters), "again" if the hello is
        to be sent once more now, or None if it is nothing to us; Refused or
        NoVersion if it is that."""
        if one.destination != self.source or one.source != self.destination:
            return None
        if one.kind == packet.VERSIONS:
            if packet.VERSION not in one.versions:  # [SJ-VN-2]
                raise NoVersion(one.versions)
            return None
        if one.version != packet.VERSION:
            return None
        if one.kind == packet.COOKIE:  # [SJ-HS-11]
            self.cookie = one.cookie
            return "again"
        if one.kind == packet.REFUSAL and one.code & packet.refusals_possible(self.pattern):
            raise Refused(one.code & packet.refusals_possible(self.pattern))
        if one.kind != packet.ANSWER:
            return None
        body = self.assembly.add(one)
        if body is None:
            return "again"
        saved = vars(self.noise).copy()
        saved["messages"] = list(self.noise.messages)
        try:
            values = get_parameters(self.noise.read(body))
            suite = values[SUITE][0]
            if len(values[SUITE]) != 1 or suite not in self.suites:  # [SJ-HS-8]
                raise wire.WireError("a suite that was not offered")
        except (noise.NoiseError, wire.WireError, KeyError, IndexError):
            vars(self.noise).update(saved)  # [SJ-HS-2]
            return None
        return packet.Secrets(self.noise, suite), values


def check_refused(offer, refusals):
    """[SJ-HS-30]: what the client says it was refused is what we would have
    refused to its first offer, and all that it changed. refusals(pattern, key
    number): what we refuse."""
    if not offer.refusal:
        return
    if offer.refusal & ~refusals(offer.refused_pattern, offer.refused_number):
        raise wire.WireError("a refusal that we would not have given")
    left = packet.without(offer.refused_pattern, offer.refusal)
    if offer.pattern != left or left in packet.NAMES_KEY and offer.number != offer.refused_number:
        raise wire.WireError("another offer than the first without what was refused")


class Responder:
    """The server's answer to one hello; WireError or NoiseError if it is none."""

    def __init__(self, one, body, static, own_id, entries, now, choose=None, hybrid=True, lie=0):
        """choose: a suite to answer with, listed or not; lie: what is refused
        though we could; both for tests."""
        def refusals(pattern, number):
            return lie & packet.refusals_possible(pattern) | (
                packet.UNKNOWN_KEY if pattern in packet.NAMES_KEY and number != packet.key_number(static.public) else 0
            ) | (packet.NO_HYBRID if pattern in packet.HYBRID and not hybrid else 0)

        offer = packet.get_offer(body)
        if offer.suite not in packet.CIPHERS or offer.pattern not in packet.PATTERN_NAMES:
            raise wire.WireError("an offer of a later version")
        check_refused(offer, refusals)
        if refusals(offer.pattern, offer.number):
            raise Refused(refusals(offer.pattern, offer.number))
        self.offer, self.own_id = offer, own_id
        handshake = noise.Handshake(packet.PATTERN_NAMES[offer.pattern], packet.CIPHERS[offer.suite], False,
                                    packet.prologue(one.header, body[:12]), static=static)
        self.values = dict(wire.get_list(handshake.read(body[12:])))
        known = [suite for suite in self.values.get(SUITES, b"") if suite in packet.KEY_SIZE]
        if not known:
            raise wire.WireError("no suite in common")
        suite = choose or known[0]
        self.body = handshake.write(wire.put_list(
            [(SUITE, bytes([suite])), (TIME, int(now).to_bytes(8, "big"))] + entries))
        self.secrets = packet.Secrets(handshake, suite if suite in packet.KEY_SIZE else known[0])

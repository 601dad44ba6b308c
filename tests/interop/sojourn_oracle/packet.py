# SPDX-License-Identifier: ISC
"""Packets (PROTOCOL.md section 2): the long ones as they are, the short ones
with their keys (section 3.3)."""
import hashlib
import hmac
import os
from types import SimpleNamespace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from .wire import Reader, WireError

VERSION = 0x536a0001
HELLO, ANSWER, COOKIE, VERSIONS, REFUSAL, EARLY = range(6)
SMALLEST = 40
FRAGMENT, BODY_MAX = 1150, 6900  # of a hello [SJ-HS-12]
ANSWER_FRAGMENT_MIN = 64
HEADER = 12
AES_128_GCM, AES_256_GCM, CHACHA = 1, 2, 3
KEY_SIZE = {AES_128_GCM: 16, AES_256_GCM: 32, CHACHA: 32}
NX, NK, NX_HYBRID, NK_HYBRID = 1, 2, 4, 5  # 3 is reserved
PATTERN_NAMES = {NX: "NX", NK: "NK", NX_HYBRID: "NXhfs", NK_HYBRID: "NKhfs"}
NAMES_KEY, HYBRID = (NK, NK_HYBRID), (NX_HYBRID, NK_HYBRID)
CIPHERS = {1: "ChaChaPoly", 2: "AESGCM"}
UNKNOWN_KEY, NO_HYBRID = 1, 2  # codes of a REFUSAL, bits


# ---- long packets: everything about their bytes is here

def key_number(static):
    return hashlib.sha256(static).digest()[:4]


def offer(pattern, suite, number=bytes(4), refusal=0, refused_pattern=0, refused_number=bytes(4)):
    return bytes([pattern, suite]) + number + bytes([refusal, refused_pattern]) + refused_number


def get_offer(data):
    reader = Reader(data)
    return SimpleNamespace(pattern=reader.number(1), suite=reader.number(1), number=reader.take(4),
                           refusal=reader.number(1), refused_pattern=reader.number(1), refused_number=reader.take(4))


def long_header(kind, destination, source, version=VERSION, random_bits=0):
    return bytes([0x80 | kind << 4 | random_bits]) + version.to_bytes(4, "big") + destination + source


def pattern_of(names_key, hybrid):
    return {(False, False): NX, (True, False): NK, (False, True): NX_HYBRID, (True, True): NK_HYBRID}[names_key, hybrid]


def refusals_possible(pattern):
    """The codes that may answer an offer of this pattern."""
    return (UNKNOWN_KEY if pattern in NAMES_KEY else 0) | (NO_HYBRID if pattern in HYBRID else 0)


def without(pattern, refusal):
    """The pattern that is offered after these refusals [SJ-HS-3], [SJ-HS-30]."""
    return pattern_of(pattern in NAMES_KEY and not refusal & UNKNOWN_KEY, pattern in HYBRID and not refusal & NO_HYBRID)


def fragments(body, size):
    """(offset, part) of a body; at least one part."""
    return [(at, body[at:at + size]) for at in range(0, max(1, len(body)), size)]


def answer_fragments(body, size):
    """The last one takes from the one before it what it lacks (section 2.1)."""
    parts = fragments(body, size)
    lacks = ANSWER_FRAGMENT_MIN - len(parts[-1][1])
    if len(parts) > 1 and lacks > 0:
        (first, one), (last, _) = parts[-2:]
        parts[-2:] = [(first, one[:-lacks]), (last - lacks, body[last - lacks:])]
    return parts


def digest(body):
    return hashlib.sha256(body).digest()[:8]


def hello(header, attempt, body, cookie):
    """The datagrams of a hello [SJ-HS-12]."""
    return [header + bytes([attempt]) + cookie + digest(body) + place(offset, body) + part
            for offset, part in fragments(body, FRAGMENT)]


def answer(destination, source, attempt, body, size=1150):
    """The datagrams of an answer."""
    return [long_header(ANSWER, destination, source) + bytes([attempt]) + place(offset, body) + part
            for offset, part in answer_fragments(body, size)]


def place(offset, body):
    return offset.to_bytes(2, "big") + len(body).to_bytes(2, "big")


def padded(data):
    return data + os.urandom(max(0, SMALLEST - len(data)))


def refusal(destination, source, code):
    return padded(long_header(REFUSAL, destination, source) + bytes([code]))


def cookie(destination, source, value):
    return padded(long_header(COOKIE, destination, source) + value)


def versions(destination, source, those):
    return padded(long_header(VERSIONS, destination, source, 0) + b"".join(one.to_bytes(4, "big") for one in those))


def prologue(header, the_offer):
    """[SJ-HS-1]"""
    return b"Sojourn" + header + the_offer


def get_long(data):
    """A long packet in parts; WireError where it is none."""
    if not data or not data[0] & 0x80:
        raise WireError("no long packet")
    if len(data) < SMALLEST:
        raise WireError("too short [SJ-PK-1]")
    reader = Reader(data)
    one = SimpleNamespace(kind=reader.number(1) >> 4 & 7, version=reader.number(4), size=len(data))
    one.destination, one.source, one.header = reader.take(8), reader.take(8), data[:21]
    if one.version == 0:
        one.kind, one.versions = VERSIONS, []
        while reader.left() >= 4:  # the padding, too, is read: it names no version that anybody has
            one.versions.append(reader.number(4))
        return one
    if one.version != VERSION:
        return one  # [SJ-PK-3]
    if one.kind == REFUSAL:
        one.code = reader.number(1)
    elif one.kind == COOKIE:
        one.cookie = reader.take(16)
    elif one.kind in (HELLO, ANSWER):
        one.attempt = reader.number(1)
        if one.kind == HELLO:
            one.cookie, one.digest = reader.take(16), reader.take(8)
        one.offset, one.total, one.part = reader.number(2), reader.number(2), reader.rest()
        if one.offset + len(one.part) > one.total:
            raise WireError("a fragment beyond its body")
    return one


class Assembly:
    """Fragments of one body."""

    def __init__(self):
        self.total, self.parts = None, {}

    def add(self, one):
        """The body once it is whole, else None."""
        if one.total != self.total:  # another one takes the place [SJ-HS-13]
            self.total, self.parts = one.total, {}
        self.parts[one.offset] = one.part
        body = b""
        while len(body) < self.total and self.parts.get(len(body)):
            body += self.parts[len(body)]
        return body if len(body) == self.total else None


# ---- short packets

def expand(secret, label, context, length):
    """HKDF-Expand-Label of RFC 8446 section 7.1, with another prefix."""
    return expand_label(secret, b"sojourn " + label, context, length)


def expand_label(secret, label, context, length):
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
    out, last = b"", b""
    while len(out) < length:
        last = hmac.digest(secret, last + info + bytes([len(out) // 32 + 1]), "sha256")
        out += last
    return out[:length]


def mask(suite, header_key, sample):
    """RFC 9001 section 5.4.3 and 5.4.4; the first five bytes."""
    if suite == CHACHA:
        cipher = Cipher(algorithms.ChaCha20(header_key, sample), None)
        return cipher.encryptor().update(bytes(5))
    cipher = Cipher(algorithms.AES(header_key), modes.ECB())
    return cipher.encryptor().update(sample)[:5]


def expand_number(largest, truncated, bits=24):
    """RFC 9000 appendix A.3; largest is -1 before the first packet."""
    expected, window = largest + 1, 1 << bits
    candidate = expected & ~(window - 1) | truncated
    if candidate <= expected - window // 2 and candidate < (1 << 62) - window:
        return candidate + window
    if candidate > expected + window // 2 and candidate >= window:
        return candidate - window
    return candidate


class Phase:
    """Keys of one phase of one direction."""

    def __init__(self, suite, secret):
        self.secret = secret
        key = expand(secret, b"key", b"", KEY_SIZE[suite])
        self.iv = expand(secret, b"iv", b"", 12)
        self.aead = ChaCha20Poly1305(key) if suite == CHACHA else AESGCM(key)

    def nonce(self, number):
        return (int.from_bytes(self.iv, "big") ^ number).to_bytes(12, "big")


class Keys:
    """Keys of one direction. The header key stays; the phases change."""

    def __init__(self, suite, secret):
        self.suite = suite
        self.header_key = expand(secret, b"hp", b"", KEY_SIZE[suite])
        self.phases = [Phase(suite, secret)]  # index = phase; its lowest bit is sent

    def phase(self, index):
        while len(self.phases) <= index:
            self.phases.append(Phase(self.suite, expand(self.phases[-1].secret, b"ku", b"", 32)))
        return self.phases[index]

    def seal(self, destination, number, payload, phase=0, flags=0):
        """flags: bits that [SJ-PK-4] wants zero, for tests."""
        keys = self.phase(phase)
        payload = payload.ljust(SMALLEST - HEADER - 16, b"\0")  # PADDING frames [SJ-PK-1]
        header = bytes([phase & 1 | flags]) + destination + (number & 0xffffff).to_bytes(3, "big")
        sealed = keys.aead.encrypt(keys.nonce(number), payload, header)
        return self.masked(header, sealed[:16]) + sealed

    def masked(self, header, sample):
        """Puts the mask on, or takes it off."""
        bits = mask(self.suite, self.header_key, sample)
        number = bytes(a ^ b for a, b in zip(header[9:12], bits[1:4]))
        return bytes([header[0] ^ bits[0] & 0x7f]) + header[1:9] + number

    def open(self, data, largest, phase):
        """(number, phase, payload) or None. Tries the phase with the right bit
        among the current one and its neighbours."""
        if len(data) < SMALLEST or data[0] & 0x80:
            return None
        header = self.masked(data[:HEADER], data[HEADER:HEADER + 16])
        if header[0] & 0x7e:
            return None  # [SJ-PK-4]
        number = expand_number(largest, int.from_bytes(header[9:12], "big"))
        indexes = [phase] if header[0] & 1 == phase & 1 else [phase + 1, phase - 1]
        for index in indexes:
            if index < 0:
                continue
            keys = self.phase(index)
            try:
                return number, index, keys.aead.decrypt(keys.nonce(number), data[HEADER:], header)
            except InvalidTag:
                continue
        return None


class Secrets:
    """What a finished handshake leaves [section 3.3]."""

    def __init__(self, handshake, suite):
        first, second, self.master = handshake.split(3)
        self.handshake_hash = handshake.hash
        self.to_server, self.to_client = Keys(suite, first), Keys(suite, second)



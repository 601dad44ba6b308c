# SPDX-License-Identifier: ISC
"""Noise revision 34, as much of it as PROTOCOL.md section 3 names: the
patterns NX and NK and their hybrid forms with X25519, ML-KEM-768, SHA-256 and
one of two AEADs; and XXhfs, of which there are published vectors."""
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from . import mlkem

PATTERNS = {
    "NX": {"knows": False, "messages": [["e"], ["e", "ee", "s", "es"]]},
    "NK": {"knows": True, "messages": [["e", "es"], ["e", "ee"]]},
    "NXhfs": {"knows": False, "messages": [["e", "e1"], ["e", "ee", "ekem1", "s", "es"]]},
    "NKhfs": {"knows": True, "messages": [["e", "es", "e1"], ["e", "ee", "ekem1"]]},
    "XXhfs": {"knows": False, "messages": [["e", "e1"], ["e", "ee", "ekem1", "s", "es"], ["s", "se"]]},
}


class NoiseError(Exception):
    """A message that does not verify."""


class Key:
    """An X25519 key pair; its bytes are fresh unless given."""

    def __init__(self, private=None):
        self.key = X25519PrivateKey.from_private_bytes(private) if private else X25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def exchange(self, other):
        try:
            return self.key.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError as error:  # all zeros came out
            raise NoiseError("a point of small order") from error


def hkdf(chaining_key, material, outputs):
    """HKDF of Noise section 4.3."""
    secret = hmac.digest(chaining_key, material, "sha256")
    result, last = [], b""
    for i in range(1, outputs + 1):
        last = hmac.digest(secret, last + bytes([i]), "sha256")
        result.append(last)
    return result


def nonce(cipher, number):
    """Noise section 12: ChaChaPoly counts little-endian, AESGCM big-endian."""
    return bytes(4) + number.to_bytes(8, "little" if cipher == "ChaChaPoly" else "big")


def aead(cipher, key):
    return ChaCha20Poly1305(key) if cipher == "ChaChaPoly" else AESGCM(key)


class Handshake:
    """One side of a handshake. write() and read() are called in turn."""

    def __init__(self, pattern, cipher, initiator, prologue, static=None, peer_static=None):
        self.cipher = cipher
        self.messages = list(PATTERNS[pattern]["messages"])
        self.initiator = initiator
        self.static, self.ephemeral = static, None
        self.peer_static, self.peer_ephemeral = peer_static, None
        self.kem_secret = self.kem_public = None
        curve = "25519+MLKEM768" if pattern.endswith("hfs") else "25519"
        name = f"Noise_{pattern}_{curve}_{cipher}_SHA256".encode()
        self.hash = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.sha256(name).digest()
        self.chaining_key = self.hash
        self.key, self.number = None, 0
        self.mix_hash(prologue)
        if PATTERNS[pattern]["knows"]:
            self.mix_hash(peer_static if initiator else static.public)

    def mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def mix_key(self, material):
        self.chaining_key, self.key = hkdf(self.chaining_key, material, 2)
        self.number = 0

    def encrypt_and_hash(self, plain):
        sealed = plain
        if self.key:
            sealed = aead(self.cipher, self.key).encrypt(nonce(self.cipher, self.number), plain, self.hash)
            self.number += 1
        self.mix_hash(sealed)
        return sealed

    def decrypt_and_hash(self, sealed):
        plain = sealed
        if self.key:
            try:
                plain = aead(self.cipher, self.key).decrypt(nonce(self.cipher, self.number), sealed, self.hash)
            except InvalidTag as error:
                raise NoiseError("does not verify") from error
            self.number += 1
        self.mix_hash(sealed)
        return plain

    def exchange(self, token):
        """ee, or one of the static keys with the ephemeral of the other side:
        es has the responder's, se the initiator's."""
        if token == "ee":
            return self.ephemeral.exchange(self.peer_ephemeral)
        if self.initiator == (token == "es"):
            return self.ephemeral.exchange(self.peer_static)
        return self.static.exchange(self.peer_ephemeral)

    def write(self, payload, ephemeral=None, kem=None, kem_key=None):
        """kem: the random bytes of e1 (64) or ekem1 (32), fresh unless given;
        kem_key: what goes as e1 in its place, for tests."""
        out = b""
        for token in self.messages.pop(0):
            if token == "e":
                self.ephemeral = ephemeral or Key()
                out += self.ephemeral.public
                self.mix_hash(self.ephemeral.public)
            elif token == "s":
                out += self.encrypt_and_hash(self.static.public)
            elif token == "e1":
                public, self.kem_secret = mlkem.key_pair(kem or os.urandom(mlkem.SEED_SIZE))
                out += self.encrypt_and_hash(kem_key or public)
            elif token == "ekem1":
                shared, ciphertext = mlkem.encapsulate(self.kem_public, kem or os.urandom(mlkem.MESSAGE_SIZE))
                out += self.encrypt_and_hash(ciphertext)
                self.mix_key(shared)
            else:
                self.mix_key(self.exchange(token))
        return out + self.encrypt_and_hash(payload)

    def read(self, message):
        for token in self.messages.pop(0):
            sealed = 16 if self.key else 0
            size = {"e": 32, "s": 32 + sealed, "e1": mlkem.KEY_SIZE + sealed,
                    "ekem1": mlkem.CIPHERTEXT_SIZE + sealed}.get(token, 0)
            if len(message) < size:
                raise NoiseError("too short")
            part, message = message[:size], message[size:]
            if token == "e":
                self.peer_ephemeral = part
                self.mix_hash(part)
            elif token == "s":
                self.peer_static = self.decrypt_and_hash(part)
            elif token == "e1":
                self.read_kem_key(self.decrypt_and_hash(part))
            elif token == "ekem1":
                self.mix_key(mlkem.decapsulate(self.kem_secret, self.decrypt_and_hash(part)))
            else:
                self.mix_key(self.exchange(token))
        return self.decrypt_and_hash(message)

    def read_kem_key(self, public):
        try:
            mlkem.check_key(public)
        except mlkem.KemError as error:
            raise NoiseError(str(error)) from error
        self.kem_public = public

    def split(self, outputs=2):
        """The transport secrets; with three outputs as [section 3.3] wants them."""
        return hkdf(self.chaining_key, b"", outputs)

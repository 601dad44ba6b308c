# SPDX-License-Identifier: ISC
"""Login (PROTOCOL.md section 7): control records and the mechanism publickey."""
import base64
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import packet, wire
from .wire import Reader, ssh_string

LOGIN, RESULT, LOGOUT, ENDED = 1, 2, 3, 4
APPLICATION, SERVER, USER, MECHANISM, MESSAGE, NUMBER, CODE, SESSION, EXPIRES, IDLE, TIME, TEXT, CREDENTIAL = range(1, 14)
RECORD_MAX = 8176
NAMESPACE = b"sojourn-login-v1"
SERVER_NAME = b"server.example"  # unless a test says otherwise


def record(kind, entries=()):
    return wire.varint(kind) + wire.counted(wire.put_list(entries))


def get_records(data):
    """Whole records at the beginning of data, and how long they are."""
    records, end = [], 0
    while True:
        reader = Reader(data[end:])
        try:
            kind, value = reader.varint(), reader.counted()
        except wire.WireError:
            return records, end
        end += reader.at
        records.append((kind, dict(wire.get_list(value))))


def read_ssh_key(path):
    with open(path, "rb") as file:
        return serialization.load_ssh_private_key(file.read(), None)


def key_blob(private):
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return ssh_string(b"ssh-ed25519") + ssh_string(raw)


def authorized(path):
    """The key blobs of an authorized_keys file, or of a .pub."""
    with open(path) as file:
        return {base64.b64decode(line.split()[1]) for line in file if line.startswith("ssh-ed25519 ")}


def proof(handshake_hash, server_key, server, application, user, blob, number, role=b"client", mechanism=b"publickey"):
    """What is signed [SJ-LG-7]."""
    parts = (b"sojourn-login", role, packet.VERSION.to_bytes(4, "big"), handshake_hash, server_key, server, application,
             user, mechanism, blob, number.to_bytes(4, "big"))
    return b"".join(ssh_string(part) for part in parts)


def signed_data(message, namespace=NAMESPACE):
    """PROTOCOL.sshsig: what the key signs."""
    return (b"SSHSIG" + ssh_string(namespace) + ssh_string(b"") + ssh_string(b"sha512") +
            ssh_string(hashlib.sha512(message).digest()))


def sign(private, message, namespace=NAMESPACE):
    """The SSHSIG blob, not armoured."""
    signature = ssh_string(b"ssh-ed25519") + ssh_string(private.sign(signed_data(message, namespace)))
    return (b"SSHSIG" + (1).to_bytes(4, "big") + ssh_string(key_blob(private)) + ssh_string(namespace) +
            ssh_string(b"") + ssh_string(b"sha512") + ssh_string(signature))


def verify(blob, sshsig, message):
    """True if the signature is that of the key over the message."""
    try:
        reader = Reader(sshsig)
        if reader.take(6) != b"SSHSIG" or reader.number(4) != 1 or reader.ssh_string() != blob:
            return False
        if reader.ssh_string() != NAMESPACE or reader.ssh_string() or reader.ssh_string() != b"sha512":
            return False
        signature, key = Reader(reader.ssh_string()), Reader(blob)
        if reader.left() or signature.ssh_string() != b"ssh-ed25519" or key.ssh_string() != b"ssh-ed25519":
            return False
        Ed25519PublicKey.from_public_bytes(key.ssh_string()).verify(signature.ssh_string(), signed_data(message))
        return not signature.left() and not key.left()
    except (wire.WireError, InvalidSignature, ValueError):
        return False

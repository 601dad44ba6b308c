# SPDX-License-Identifier: ISC
"""The primitives of the oracle against published vectors."""
import gzip
import hashlib
import json
import os

from sojourn_oracle import mlkem, noise, packet, wire
from world import case, check

VECTORS = os.environ.get("VECTORS", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors"))


def load(name):
    with open(os.path.join(VECTORS, name)) as file:
        return json.load(file)


def one_handshake(vector, pattern, cipher):
    """Both sides, every message, and what follows under the split keys."""
    get = lambda name: bytes.fromhex(vector.get(name) or "")
    key = lambda name: noise.Key(get(name)) if vector.get(name) else None
    static = key("resp_static")
    knows = noise.PATTERNS[pattern]["knows"]
    check(not vector.get("init_remote_static") or get("init_remote_static") == static.public, "another key")
    first = noise.Handshake(pattern, cipher, True, get("init_prologue"), peer_static=static.public if knows else None)
    second = noise.Handshake(pattern, cipher, False, get("resp_prologue"), static=static)
    ephemeral = {first: key("init_ephemeral"), second: key("resp_ephemeral")}
    for number, message in enumerate(vector["messages"]):
        payload, expected = bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"])
        if number < 2:
            sender, receiver = (first, second) if number == 0 else (second, first)
            check(sender.write(payload, ephemeral[sender]) == expected, "a handshake message differs")
            check(receiver.read(expected) == payload, "a handshake message is not read")
            continue
        keys = first.split()
        check(first.hash == second.hash and keys == second.split(), "the sides differ")
        check(vector.get("handshake_hash") in (None, "", first.hash.hex()), "the hash differs")
        sealed = noise.aead(cipher, keys[number % 2]).encrypt(noise.nonce(cipher, number // 2 - 1), payload, b"")
        check(sealed == expected, "a transport message differs")


@case
def vectors_noise(_world):
    count = 0
    for file in ("cacophony-25519", "noise-c-basic-25519", "snow-multipsk-25519", "flynn-psk-25519"):
        for vector in load(f"noise/{file}.json")["vectors"]:
            _, pattern, curve, cipher, digest = vector["protocol_name"].split("_")
            if pattern in noise.PATTERNS and curve == "25519" and digest == "SHA256":
                one_handshake(vector, pattern, cipher)
                count += 1
    check(count >= 8, f"only {count} vectors")


def refuses(function, *arguments):
    try:
        function(*arguments)
    except mlkem.KemError:
        return True
    return False


@case
def vectors_mlkem(_world):
    """FIPS 203, as NIST's own tests have it."""
    count = {}
    for vector in load("mlkem/acvp-mlkem768.json")["vectors"]:
        what = vector["function"]
        get = lambda name, one=vector: bytes.fromhex(one[name])
        secret = lambda: mlkem.key_pair(get("d") + get("z"))[1] if "d" in vector else get("dk")
        if what == "keyGen":
            good = mlkem.key_pair(get("d") + get("z")) == (get("ek"), get("dk"))
        elif what == "encapsulation":
            good = mlkem.encapsulate(get("ek"), get("m")) == (get("k"), get("c"))
        elif what == "encapsulationKeyCheck":
            good = refuses(mlkem.check_key, get("ek")) != vector["testPassed"]
        elif what == "decapsulationKeyCheck":
            good = refuses(mlkem.check_secret, get("dk")) != vector["testPassed"]
        else:
            good = mlkem.decapsulate(secret(), get("c")) == get("k")
        check(good, f"{what} {vector['tcId']} differs")
        count[what] = count.get(what, 0) + 1
    check(len(count) == 6 and min(count.values()) >= 5, f"{count}")


@case
def vectors_mlkem_of_others(_world):
    """What goes wrong elsewhere: comparison, modulus, an unlucky matrix."""
    path = os.path.join(VECTORS, "mlkem")
    read = lambda name: dict(line.split(" = ") for line in open(os.path.join(path, name)).read().splitlines() if line)
    one = {name: bytes.fromhex(value) for name, value in read("cctv-strcmp-768.txt").items()}
    check(mlkem.decapsulate(one["dk"], one["c"]) == one["K"], "a comparison that ends early")
    one = {name: bytes.fromhex(value) for name, value in read("cctv-unluckysample-768.txt").items()}
    check(mlkem.encapsulate(one["ek"], one["m"]) == (one["K"], one["c"]), "an unlucky matrix")
    check(mlkem.decapsulate(one["dk"], one["c"]) == one["K"], "an unlucky matrix, decapsulated")
    with gzip.open(os.path.join(path, "cctv-modulus-768.txt.gz"), "rt") as file:
        keys = [bytes.fromhex(line) for line in file.read().split()]
    check(len(keys) >= 500 and all(refuses(mlkem.check_key, key) for key in keys), "a key beyond the modulus is taken")


@case
def vectors_mlkem_accumulated(_world):
    """A hundred rounds, and a hash over all that came of them."""
    drawn, accumulated, at = hashlib.shake_128().digest(100 * (64 + 32 + 1088)), hashlib.shake_128(), 0
    for _ in range(100):
        seed, message, ciphertext = drawn[at:at + 64], drawn[at + 64:at + 96], drawn[at + 96:at + 1184]
        at += 1184
        key, secret = mlkem.key_pair(seed)
        shared, own = mlkem.encapsulate(key, message)
        for data in (key, own, shared, mlkem.decapsulate(secret, ciphertext)):
            accumulated.update(data)
    check(accumulated.hexdigest(32) == load("mlkem/accumulated-768.json")["rounds"]["100"], "the hash differs")


@case
def vectors_noise_hybrid(_world):
    """XXhfs: its tokens are those of NXhfs, and two more."""
    count = 0
    for vector in load("noise-hybrid/xxhfs-mlkem768.json")["vectors"]:
        get = lambda name, one=vector: bytes.fromhex(one[name])
        _, pattern, _, cipher, _ = vector["protocol_name"].split("_")
        sides = [noise.Handshake(pattern, cipher, first, get("prologue"), static=noise.Key(get(f"static_{name}_private")))
                 for name, first in (("i", True), ("r", False))]
        fresh = [(noise.Key(get("ephemeral_dh_i_private")), get("ephemeral_kem_i_seed_d_z")),
                 (noise.Key(get("ephemeral_dh_r_private")), get("encap_seed_hex")), ()]
        for number, name in enumerate(("msg_a", "msg_b", "msg_c")):
            check(sides[number % 2].write(b"", *fresh[number]) == get(name), f"{name} differs")
            check(sides[1 - number % 2].read(get(name)) == b"", f"{name} is not read")
        for side in sides:
            check(side.hash == get("handshake_hash"), "the hash differs")
            check(side.split() == [get("cs1_k"), get("cs2_k")], "the keys differ")
        count += 1
    check(count >= 3, f"only {count} vectors")


@case
def vectors_varint(_world):
    vectors = load("quic/varint.json")
    for sample in vectors["samples"]:
        data = bytes.fromhex(sample["hex"])
        check(wire.Reader(data).varint() == sample["value"], f"{data.hex()} is read wrong")
        check(sample.get("shortest") is False or wire.varint(sample["value"]) == data, f"{data.hex()} is written wrong")
    for span in vectors["ranges"]:
        check(len(wire.varint(span["max"])) == span["bytes"], "another length")
        check(wire.Reader(wire.varint(span["max"])).varint() == span["max"], "another value")


@case
def vectors_packet_number(_world):
    for sample in load("quic/packet-number.json")["decode"]:
        number = packet.expand_number(int(sample["largest_pn"], 16), int(sample["truncated"], 16), sample["bits"])
        check(number == int(sample["full_pn"], 16), "the number differs")


@case
def vectors_header_mask(_world):
    vectors = load("quic/rfc9001-appendix-a.json")
    found = []

    def look(node, header_key):
        """Every sample with its mask or protected header, wherever it is."""
        if not isinstance(node, dict):
            return
        header_key = node.get("hp", header_key)
        if "sample" in node and "header" in node and "protected_header" in node:
            header, masked = bytes.fromhex(node["header"]), bytes.fromhex(node["protected_header"])
            suite = packet.CHACHA if len(header_key) == 64 else packet.AES_128_GCM
            bits = packet.mask(suite, bytes.fromhex(header_key), bytes.fromhex(node["sample"]))
            size = (header[0] & 3) + 1
            expected = bytes([header[0] ^ bits[0] & (0x0f if header[0] & 0x80 else 0x1f)]) + header[1:-size]
            expected += bytes(a ^ b for a, b in zip(header[-size:], bits[1:]))
            check(expected == masked, "a masked header differs")
            check(node.get("mask") in (None, bits.hex()), "a mask differs")
            found.append(suite)
        for child in node.values():
            look(child, header_key)

    keys = vectors["keys"]
    look(vectors["client_initial"], keys["client_hp"])
    for name, node in vectors.items():
        if name not in ("keys", "client_initial"):
            look(node, keys["server_hp"])
    check({packet.CHACHA, packet.AES_128_GCM} <= set(found), f"not both ciphers: {found}")


@case
def vectors_expand_label(_world):
    keys = load("quic/rfc9001-appendix-a.json")["keys"]
    secret = bytes.fromhex(keys["client_initial_secret"])
    for label, length, name in ((b"quic key", 16, "client_key"), (b"quic iv", 12, "client_iv"), (b"quic hp", 16, "client_hp")):
        check(packet.expand_label(secret, b"tls13 " + label, b"", length).hex() == keys[name], f"{name} differs")

#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""login_vectors.py PROGRAM FILE [--write] - the test vectors of whole logins

PROGRAM (tests/sim/login_run.c) is run; its transcript goes through the second
implementation, which computes and judges all that FILE is to contain; FILE has to
be exactly that. --write writes it."""
import hashlib
import json
import subprocess
import sys

sys.dont_write_bytecode = True
try:
    import cryptography  # noqa: F401
except ImportError:
    print("python3-cryptography is not installed")
    sys.exit(77)

from sojourn_oracle import login, noise, observer, packet, wire

NAMES = {value: name for name, value in vars(wire).items()
         if name in ("PADDING", "PING", "ACK", "ACK_ECN", "PATH_CHALLENGE", "PATH_RESPONSE", "NEW_ID", "RETIRE_ID",
                     "PARAMETERS", "CLOSE", "STREAM", "CREDIT", "RESET", "STOP", "PRIORITY", "FLOOR")}
SIDES = ("server", "client")
COMMENT = ("Two logins with every value on the way, all bytes in hexadecimal. PROTOCOL.md section 12 says what is what; "
           "made by tests/interop/login_vectors.py")


def plain(value):
    """What JSON can hold."""
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return plain(vars(value)) if hasattr(value, "__dict__") else value


def frame_of(frame):
    if wire.grease(frame.kind):
        return {"type": f"grease {frame.kind:#x}"}
    fields = {name: value for name, value in vars(frame).items() if name != "kind" and value is not None}
    return {"type": NAMES[frame.kind], **plain(fields)}


def frames_of(frames):
    """PADDING as one entry with its length."""
    out = []
    for frame in frames:
        one = frame_of(frame)
        if one["type"] == "PADDING" and out and out[-1]["type"] == "PADDING":
            out[-1]["length"] += 1
        else:
            out.append(dict(one, length=1) if one["type"] == "PADDING" else one)
    return out


def packet_of(one):
    keys = one.side.keys
    header = keys.masked(one.data[:packet.HEADER], one.data[packet.HEADER:packet.HEADER + 16])
    return {"from": SIDES[one.side.role], "number": one.number, "phase": one.phase, "header": header,
            "nonce": keys.phase(one.phase).nonce(one.number), "payload": one.payload, "frames": frames_of(one.frames),
            "mask": packet.mask(keys.suite, keys.header_key, one.data[packet.HEADER:packet.HEADER + 16]),
            "packet": one.data}


def keys_of(suite, secret):
    size = packet.KEY_SIZE[suite]
    return {"secret": secret, "key": packet.expand(secret, b"key", b"", size),
            "iv": packet.expand(secret, b"iv", b"", 12)}


def direction(suite, keys):
    return {**keys_of(suite, keys.phase(0).secret), "hp": keys.header_key,
            "next": keys_of(suite, keys.phase(1).secret)}


def other_suites(secret):
    """One packet under each of the suites that the login did not choose."""
    out = []
    for suite in (packet.AES_256_GCM, packet.CHACHA):
        keys = packet.Keys(suite, secret)
        sealed = keys.seal(b"id of 8.", 0x1234567, wire.varint(wire.PING))
        out.append({"suite": suite, **keys_of(suite, secret), "hp": keys.header_key, "destination": b"id of 8.",
                    "number": 0x1234567, "payload": wire.varint(wire.PING).ljust(12, b"\0"), "packet": sealed})
    return out


def login_of(channel, user):
    values = channel.login
    message = wire.Reader(values[login.MESSAGE])
    blob, signature = message.ssh_string(), message.ssh_string()
    number = wire.Reader(values[login.NUMBER]).varint()
    proof = login.proof(channel.hash, channel.server_key, values[login.SERVER], values[login.APPLICATION],
                        values[login.USER], blob, number)
    return {"key_seed": hashlib.sha256(user).digest(), "key_blob": blob, "server_name": values[login.SERVER],
            "application": values[login.APPLICATION], "user": values[login.USER], "number": number, "proof": proof,
            "signed": login.signed_data(proof), "sshsig": signature,
            "stream_0": {SIDES[side.role]: side.root for side in channel.sides}}


def vector(program, pattern):
    done = subprocess.run([program, pattern], check=True, timeout=100, stdout=subprocess.PIPE, text=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    one, sent, exported = observer.Observer(), [], None
    for words in lines:
        if words[0] == "X":
            exported = words[1:]
        else:
            one.line(words)
        if words[0] == ">" and bytes.fromhex(words[4]) in one.packets:
            sent.append(one.packets[bytes.fromhex(words[4])])
    one.finish()
    channel, = one.channels
    hello, secrets = channel.hello, channel.sides
    body, suite = hello.body, channel.sides[0].keys.suite
    state = channel.noise
    label, context, out = exported[0].encode(), bytes.fromhex(exported[1]), bytes.fromhex(exported[2])
    master = noise.hkdf(state.chaining_key, b"", 3)[2]
    exporter_hash = hashlib.sha256(channel.hash + context).digest()
    if packet.expand(master, b"exporter " + label, exporter_hash, len(out)) != out:
        raise observer.Violation("another exporter")
    long = {name: [bytes.fromhex(words[4]) for words in lines if words[0] == ">" and words[1] == end and
                   words[4][0] in "89abcdef"] for name, end in (("hello", "1"), ("answer", "0"))}
    return plain({
        "name": pattern, "noise": f"Noise_{pattern}_25519_{state.cipher}_SHA256", "suite": suite,
        "server_private": bytes.fromhex(lines[0][1]), "server_public": one.host.public,
        "client_ephemeral": next(bytes.fromhex(words[2]) for words in lines if words[0] == "E" and words[1] == "1"),
        "server_ephemeral": next(bytes.fromhex(words[2]) for words in lines if words[0] == "E" and words[1] == "0"),
        "prologue": packet.prologue(hello.header, body[:12]), "offer": body[:12], "cookie": hello.cookie,
        "payload_1": hello.payload, "message_1": body[12:], "ck_1": hello.initiator.chaining_key,
        "h_1": hello.initiator.hash, "hello": long["hello"],
        "payload_2": channel.payload, "message_2": channel.answer, "ck_2": state.chaining_key, "h_2": state.hash,
        "answer": long["answer"],
        "client": direction(suite, secrets[1].keys), "server": direction(suite, secrets[0].keys), "master": master,
        "exporter": {"label": exported[0], "context": context, "hash": exporter_hash, "secret": out},
        "login": login_of(channel, channel.login[login.USER]),
        "packets": [packet_of(one) for one in sent],
        "other_suites": other_suites(secrets[1].keys.phase(0).secret),
    })


def main(program, path, *options):
    text = json.dumps({"comment": COMMENT, "vectors": [vector(program, pattern) for pattern in ("NX", "NK")]},
                      indent=1) + "\n"
    if "--write" in options:
        with open(path, "w") as file:
            file.write(text)
        return 0
    with open(path) as file:
        if file.read() != text:
            print(f"{path} is not what the program says and does today; if that is meant: --write")
            return 1
    print("the program and the second implementation make the same logins as before")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Negative controls: a vector with one changed byte must fail.

Takes a few vectors of each set, changes one field of each, and demands that
sojourn-vectors counts exactly that many failures.
"""
import json
import os
import random
import subprocess
import sys
import tempfile

program, folder = sys.argv[1:3]
choose = random.Random(7531)
failed = 0


def flip(text):
    at = choose.randrange(len(text))
    new = "0" if text[at] != "0" else "1"
    return text[:at] + new + text[at + 1:]


def count(root):
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as out:
        json.dump(root, out)
    done = subprocess.run([program, out.name], capture_output=True, text=True)
    os.unlink(out.name)
    words = done.stdout.strip().splitlines()[-1].replace(",", "").split()
    return int(words[0]), int(words[2]), done.returncode


def expect(what, root, passed, wrong):
    global failed
    got = count(root)
    if got != (passed, wrong, 1 if wrong else 0):
        print(f"{what}: {got}, not {(passed, wrong)}")
        failed += 1


def load(name):
    with open(os.path.join(folder, name)) as source:
        return json.load(source)


def noise(name):
    root = load(name)
    vectors = choose.sample(root["vectors"], 60)
    for i, vector in enumerate(vectors):
        fields = ["protocol_name", "init_prologue", "ciphertext"]
        if vector.get("init_psks"):
            fields.append("init_psks")
        kind = fields[i % len(fields)]
        if kind == "ciphertext":
            message = choose.choice(vector["messages"])
            message[kind] = flip(message[kind])
        elif kind == "init_psks":
            vector[kind][0] = flip(vector[kind][0])
        elif kind == "protocol_name":
            old = vector[kind]
            vector[kind] = old.replace("AESGCM", "ChaChaPoly") \
                if "AESGCM" in old else old.replace("ChaChaPoly", "AESGCM")
        else:
            vector[kind] = flip(vector[kind] or "00")
    expect(name, {"vectors": vectors}, 0, len(vectors))


def wycheproof(name, *fields):
    root = load(name)
    tests = 0
    for group in root["testGroups"]:
        group["tests"] = [t for t in group["tests"] if t["result"] == "valid"
                          and all(t[f] for f in fields)][:12]
        for i, test in enumerate(group["tests"]):
            field = fields[i % len(fields)]
            test[field] = flip(test[field])
        tests += len(group["tests"])
    expect(name, root, 0, tests)


for each in ("cacophony", "flynn-psk", "noise-c-basic", "snow-multipsk"):
    noise(f"noise/{each}-25519.json")
wycheproof("wycheproof/aes_gcm_test.json", "key", "iv", "aad", "ct", "tag")
wycheproof("wycheproof/chacha20_poly1305_test.json", "key", "iv", "ct", "tag")
wycheproof("wycheproof/ed25519_test.json", "sig", "msg")
wycheproof("wycheproof/hkdf_sha256_test.json", "ikm", "okm")
wycheproof("wycheproof/hmac_sha512_test.json", "key", "msg", "tag")
wycheproof("wycheproof/x25519_test.json", "shared")
blake = load("blake2/blake2s-kat.json")
for one in blake["vectors"]:
    one["out"] = flip(one["out"])
expect("blake2", blake, 0, len(blake["vectors"]))
for good in ("rfc5802", "sha-256-saslprep-non-normal", "sha-512-ascii"):
    exchange = load(f"scram/good/{good}.json")
    exchange["pass"] += "x"
    expect(good, exchange, 0, 1)
quic = load("quic/rfc9001-appendix-a.json")
for member in ("client_initial", "server_initial", "chacha20_short_header"):
    quic[member]["packet"] = flip(quic[member]["packet"])
quic["keys"]["server_hp"] = flip(quic["keys"]["server_hp"])
expect("quic", quic, 2, 4)


def leaves(node, path=()):
    """Where there are bytes in hexadecimal."""
    if isinstance(node, dict):
        for name, value in node.items():
            # decoded from the payload; nothing is made from them
            if name not in ("frames", "stream_0", "name", "noise", "label", "from"):
                yield from leaves(value, path + (name,))
    elif isinstance(node, list):
        for place, value in enumerate(node):
            yield from leaves(value, path + (place,))
    elif isinstance(node, str) and node:
        yield path


# Digits that say something: the last two bytes of a mask do not, nor bits that
# X25519 sets, nor the random bits and the attempt of a long packet.
MATTERS = {"mask": (0, 8), "server_private": (4, 60), "client_ephemeral": (4, 60), "server_ephemeral": (4, 60),
           "hello": (60, 2000), "answer": (60, 300)}
logins = load("sojourn/login.json")["vectors"]
for login in logins:
    changed = []
    for path in leaves(login):
        one = json.loads(json.dumps(login))
        node = one
        for name in path[:-1]:
            node = node[name]
        text = node[path[-1]]
        first, end = MATTERS.get(path[0], MATTERS.get(path[-1], (0, len(text))))
        node[path[-1]] = text[:first] + flip(text[first:end]) + text[end:]
        changed.append(one)
    expect(f"login {login['name']}", {"vectors": changed}, 0, len(changed))
expect("unknown shape", {"vectors": [{"something": "else"}]}, 0, 1)
expect("empty", {"vectors": []}, 0, 1)
print("failed" if failed else "all changes were noticed")
sys.exit(1 if failed else 0)

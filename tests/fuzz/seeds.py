#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Adds inputs that are worth beginning with to tests/fuzz/corpus: what
`fuzz_seeds` saw in real logins, keys by ssh-keygen, and lines of the files
people write. `./dev fuzz --merge NAME` makes a small corpus of them.

usage: seeds.py BUILD"""
import base64
import hashlib
import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SSH = HERE.parent / "vectors" / "ssh"
ED25519 = "AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"
KEY44 = base64.b64encode(bytes(range(32))).decode()


def put(target, data, name=None):
    """With a name of its own it stays, whatever a merge thinks of it."""
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(data, str):
        data = data.encode()
    name = name or hashlib.sha1(data).hexdigest()[:16]
    (folder / name).write_bytes(data)


def string(data):
    return struct.pack(">I", len(data)) + data


def real_messages(build):
    lines = subprocess.run([build / "tests/fuzz/fuzz_seeds"], check=True,
                           text=True, stdout=subprocess.PIPE).stdout
    for line in set(lines.splitlines()):
        target, _, text = line.partition(" ")
        put(target, bytes.fromhex(text))


def blobs():
    for path in sorted(SSH.glob("*.pub")):
        yield path, base64.b64decode(path.read_text().split()[1])


def keys():
    kinds = (["ed25519"], ["ecdsa", "-b", "256"], ["ecdsa", "-b", "521"],
             ["rsa", "-b", "2048"])
    forms = ([], ["-m", "PEM"], ["-m", "PKCS8"])
    ciphers = ("aes256-ctr", "aes128-gcm@openssh.com", "aes256-cbc",
               "chacha20-poly1305@openssh.com")
    with tempfile.TemporaryDirectory() as folder:
        name = pathlib.Path(folder) / "key"

        def make(arguments, passphrase):
            for path in (name, name.with_suffix(".pub")):
                path.unlink(missing_ok=True)
            subprocess.run(["ssh-keygen", "-q", "-N", passphrase, "-C", "",
                            "-f", name, "-t", *arguments], check=True)
            put("key_file", b"\1" + name.read_bytes())
            put("key_file", b"\0" + name.with_suffix(".pub").read_bytes())
            body = name.read_text().splitlines()[1:-1]
            if "OPENSSH" in name.read_text():
                put("key_file", b"\xff" + base64.b64decode("".join(body)))

        for kind in kinds:
            for form in forms:
                make(kind + form, "")
        make(["rsa", "-b", "2048", "-m", "PEM"], "secret")
        for cipher in ciphers:
            make(["ed25519", "-a", "1", "-Z", cipher], "secret")


def agent(first, body):
    """One answer in one piece: 128 is a piece as long as it gets."""
    put("ssh_agent", bytes([first, 128]) + body)


def ssh_words():
    all_blobs = [blob for _, blob in blobs()]
    for path, blob in blobs():
        signature = path.with_suffix(".sig")
        if signature.exists():
            text = "".join(signature.read_text().splitlines()[1:-1])
            put("publickey", bytes([100]) + struct.pack(">H", len(blob)) +
                blob + base64.b64decode(text))
        listed = struct.pack(">BI", 12, 1) + string(blob) + string(b"me")
        signed = b"\x0e" + string(string(b"ssh-ed25519") + string(bytes(64)))
        agent(0, string(listed) + bytes([128]) + string(signed))
        agent(4, string(listed) + bytes([128]) + string(signed))
    listed = struct.pack(">BI", 12, len(all_blobs))
    for blob in all_blobs[:3]:
        listed += string(blob) + string(b"")
    agent(2, string(listed))
    agent(0, string(b"\x05"))
    put("publickey", b"\x80")


def lines():
    key = f"ssh-ed25519 {ED25519} me@host"
    for text in (key, f"# c\n\n{key}\r\n", f'command="a b",no-pty {key}\n',
                 f'environment="A=\\"b" {key}', f"ssh-rsa AAAA {key}",
                 f"sk-ssh-ed25519@openssh.com AAAA=\n{key}\n"):
        put("authorized_keys", text)
    for text in (f"host sojourn-x25519 {KEY44}\n",
                 f"[host]:22 sojourn-x25519 {KEY44}\n# c\n",
                 f"other sojourn-x25519 {KEY44}\nhost\tsojourn-x25519 AA\n"):
        put("known_hosts", "\0" + text)
    put("known_hosts", b"\x80sojourn-x25519-private-key-v1 " + KEY44.encode())
    put("known_hosts", b"\xc0" + KEY44.encode())
    for text in ("Listen 7531\nService web exec:/bin/true a b # c\n",
                 "listen [::]:22\nHostKey ~/k\nStore /s\n",
                 "SessionIdleLimit 30d\nSessionLifetime 12w\n",
                 "AuthorizedKeysFile keys\nService a=exec:/bin/sh\n",
                 "Service x tcp:host:1\n"):
        put("options", "\0" + text)
    for text in ("login\n-i\nkey\nhost", "login\n-qv\n--json\n--timeout=5",
                 "login\n--service=a\n--service\nb\n--\n-x",
                 "login\n-oStrictHostKeyChecking=accept-new", "login\n--help",
                 "login\n--no-agent\n--server-key\nSHA256:x\n--timeout\n0"):
        put("options", "\1" + text)
    for text in ("host", "me@host:22/app", "a@b@[::1]:7531", "[fe80::1%eth0]",
                 "HOST/x", "h:65536"):
        put("words", "\0" + text)
    for text in ('{"event":"listening","port":7531,"key":"a"}',
                 '{ "a" : "\\u00e9\\ud83d\\ude00\\n" , "port":1}',
                 '{"a":null,"":"x","port":18446744073709551615}',
                 '{"b":{},"a":"x"}'):
        put("words", "\x64" + text)
    put("words", b"\xff\x1b[0m\xc2\x9b\x7ftext")


def records():
    def record(kind, path, text, number=1):
        body = struct.pack(">BBBIIqQQQHH", kind, 1, 0, 0o644, 5, 9, number,
                           7, 2, len(path), len(text))
        return string(body + path + b"\0" + text + b"\0")

    put("copy_wire", record(1, b"dir/file", b""))
    put("copy_wire", record(3, b"a/\xc3\xa9\x1b[", b"why") + record(9, b"", b""))
    put("copy_wire", record(6, b"../up", b"\xe2\x80\xae"))
    field = b"\1\0\5name\0" + b"\2\0\x08" + bytes(7) + b"\5"
    put("message", b"\0\1" + field)
    put("message", b"\3\2" + field + b"\3\0\0")
    put("message", b"\x4b\2" + field)
    user, sojourn, publickey, files, web, peer = 1, 2, 3, 4, 5, 6
    listening = bytes([0, 1, 0, 0])
    login = bytes([0, 3, 1, 1, 1, 0, user, sojourn, publickey, peer, 0])
    put("monitor", listening + login + bytes([0, 4, 9, 1, web]) +
        bytes([0, 6, 0, 1]))
    put("monitor", listening + login + bytes([0, 4, 9, 1, files]) +
        bytes([0, 5, 1, 9, 1]))
    put("monitor", listening + bytes([0, 2, 0, 7]) + bytes([128]))
    put("monitor", bytes([3, 1, 0x5f]) + bytes(31))


def programs():
    """Handshake messages: number and pattern, then what is changed."""
    for first in range(8):
        put("noise", bytes([first, 0]))
        put("noise", bytes([first, 0x20, 0, 40, 1]))
        put("noise", bytes([first, 2, 0, 60]))
    for first in (0, 1, 2, 64, 65, 66):
        put("packet", bytes([first]) + bytes([0, 0, 40, 0, 2, 0]) * 4 +
            bytes([6, 0, 1, 9, 0, 2, 1, 7]))


def named():
    """What a check was seen to need, so that breaking the code is noticed."""
    put("frame", b"\x02\x0a\0\1\2\1\x14", "ack-below-zero")
    put("range", b"\1" + b"\1\0\0\x32" + b"\1\0\x32\x32",
        "two-fragments-in-order")
    put("range", b"\1" + b"\1\0\x32\x32" + b"\1\0\0\x32",
        "two-fragments-turned-round")
    put("packet", b"\x40\0\0\x28\2\0\1\x28\2\2\1\2\0",
        "numbers-wrap-out-of-order")
    put("login", b"\0\x12\0\xf0", "signature-with-a-bit-flipped")
    put("options", "\0Service web exec:/bin/true" + " x" * 16 + "\n",
        "one-word-too-many")
    record = (b"\1" + bytes(8) + bytes(24) + bytes(4) + b"\1" +
              b"".join(b"\0\1x" for _ in range(6)) + bytes(4))
    put("record", b"\0" + record, "smallest-record")
    put("record", b"\0" + record + b"\0", "byte-behind-a-record")
    put("publickey", b"\x80", "honest-proof")
    put("publickey", b"\x81\0\x44\2", "another-version-of-sshsig")
    put("acks", b"\1" + b"\2\x14" * 290 + b"\2\1\0\1",
        "number-below-the-floor-again")
    put("session", b"\1\0", "one-frame")


def main():
    build = pathlib.Path(sys.argv[1])
    real_messages(build)
    keys()
    ssh_words()
    lines()
    records()
    programs()
    named()


main()

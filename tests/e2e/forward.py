#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""forward.py serve FOLDER | forward.py CASE PLACE [WORD...] - both far ends of forward.sh

serve listens on 127.0.0.1, ::1 and FOLDER/far.sock, writes their ports to FOLDER/ports, and
answers by the first line of each connection: echo, count (of what came, after its end), flood,
mute (never reads), reset, first (speaks first), sum. A PLACE is a port, [::1]:PORT or a path.
"""
import hashlib
import os
import random
import resource
import select
import socket
import struct
import sys
import threading
import time

RESET = struct.pack("ii", 1, 0)
LIMIT_S = 60


def line_of(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        line += byte
    return line.decode().split()


def read_all(connection):
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def broken(connection):
    """waits for a reset without sending anything"""
    poll = select.poll()
    poll.register(connection, 0)
    return "ConnectionResetError" if poll.poll(LIMIT_S * 1000) else "nothing"


def answer(connection, folder):
    connection.settimeout(LIMIT_S)
    words = line_of(connection)
    if words is None:
        connection.close()  # accept() still holds it
        return
    if words[0] == "echo":
        while part := connection.recv(65536):
            connection.sendall(part)
    elif words[0] == "count":
        connection.sendall(b"%d\n" % len(read_all(connection)))
    elif words[0] == "sum":
        with open(os.path.join(folder, words[1]), "w") as file:
            if "late" in words:
                time.sleep(0.5)  # all that fits between the two ends is there
            if len(words) > 2:
                connection.sendall(b"z" * 1000)  # nobody reads it
                time.sleep(0.1)
            file.write(hashlib.sha256(read_all(connection)).hexdigest())
        return
    elif words[0] == "flood":
        sent = 0
        try:
            while True:
                sent += connection.send(b"x" * 65536)
                with open(os.path.join(folder, "flood"), "w") as file:
                    file.write(str(sent))
        except OSError as error:
            with open(os.path.join(folder, "flood.end"), "w") as file:
                file.write(type(error).__name__)
        return
    elif words[0] == "mute":
        threading.Event().wait()
    elif words[0] == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    elif words[0] == "half-reset":
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    elif words[0] == "held":
        open(os.path.join(folder, words[1] + ".begun"), "w").close()
        # until it is reset or ends; which is told in a file
        try:
            end = "data" if connection.recv(1) else "end"
            if end == "end" and len(words) > 2:
                connection.sendall(b".")  # our direction is still open
                end = broken(connection)
        except OSError as error:
            end = type(error).__name__
        with open(os.path.join(folder, words[1]), "w") as file:
            file.write(end)
    connection.close()


def serve(folder):
    listeners = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET6, ("::1", 0)),
                            (socket.AF_UNIX, os.path.join(folder, "far.sock"))):
        listener = socket.socket(family)
        listener.bind(address)
        # fewer than come at once, where that makes them wait and not come again
        listener.listen(4 if family == socket.AF_UNIX else 1024)
        listeners.append(listener)
    greeter = socket.socket()
    greeter.bind(("127.0.0.1", 0))
    greeter.listen(16)
    full = socket.socket()  # nobody accepts, and its queue is full: what comes waits
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    stuffing = [socket.socket() for _ in range(3)]
    for one in stuffing:
        one.setblocking(False)
        one.connect_ex(full.getsockname())
    # bound and not listening, so that nobody else gets the port, of either kind
    closed = socket.socket(socket.AF_INET6)
    closed.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    closed.bind(("::", 0))

    def accept(listener, each):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=each, args=(connection, folder), daemon=True).start()

    def greet(connection, _):
        connection.sendall(b"hello\n")
        connection.recv(1)

    for listener in listeners:
        threading.Thread(target=accept, args=(listener, answer), daemon=True).start()
    threading.Thread(target=accept, args=(greeter, greet), daemon=True).start()
    ports = [listener.getsockname()[1] for listener in (listeners[0], listeners[1], greeter, full, closed)]
    with open(os.path.join(folder, "ports.new"), "w") as file:
        file.write(" ".join(map(str, ports)) + "\n")
    os.rename(os.path.join(folder, "ports.new"), os.path.join(folder, "ports"))
    threading.Event().wait()


def connect(place):
    if "/" in place:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(LIMIT_S)
        connection.connect(place)
    else:
        host, _, port = place.rpartition(":")
        connection = socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), LIMIT_S)
    return connection


def echo(place, size="1"):
    """bytes come back as they went, and the end of one direction is not that of the other"""
    connection = connect(place)
    data = random.Random(place).randbytes(int(size))
    connection.sendall(b"echo\n")
    back = []
    reader = threading.Thread(target=lambda: back.append(read_all(connection)))
    reader.start()
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)
    reader.join()
    assert back == [data], f"{len(back[0])} of {len(data)} bytes came back, or others"


def half(place):
    """an answer that begins when all of the question is there"""
    connection = connect(place)
    connection.sendall(b"count\n" + b"x" * 300000)
    connection.shutdown(socket.SHUT_WR)
    assert read_all(connection) == b"300000\n"


def greeted(place):
    """who speaks first is heard"""
    connection = connect(place)
    assert connection.recv(100) == b"hello\n"


def many(place, count="200", size="1048576"):
    """all at once, each with bytes of its own, all of them open before the first one ends"""
    gate = threading.Barrier(int(count))
    failures = []

    def one(index):
        try:
            data = random.Random(index).randbytes(int(size))
            connection = connect(place)
            back = bytearray()
            connection.sendall(b"echo\n" + data[:1])
            back += connection.recv(1)
            gate.wait(LIMIT_S)
            writer = threading.Thread(target=lambda: (connection.sendall(data[1:]),
                                                      connection.shutdown(socket.SHUT_WR)))
            writer.start()
            back += read_all(connection)
            writer.join()
            if bytes(back) != data:
                failures.append(f"{index}: {len(back)} bytes")
        except (OSError, threading.BrokenBarrierError) as error:
            failures.append(f"{index}: {error!r}")
            gate.abort()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:5]


def reset(place, by_path=""):
    """a reset of the far end arrives as one; where a Unix socket is on the way, as an end"""
    connection = connect(place)
    connection.sendall(b"reset\n")
    try:
        assert connection.recv(1) == b"" and by_path, "ended in order"
    except ConnectionResetError:
        pass


def half_reset(place):
    """the far end has ended its direction, and breaks then"""
    connection = connect(place)
    connection.sendall(b"half-reset\n")
    assert connection.recv(1) == b""
    connection.sendall(b".")
    assert broken(connection) != "nothing"


def refused(place):
    """what cannot be connected is closed at once, by TCP with a reset: which may be there first"""
    try:
        connection = connect(place)
        assert connection.recv(1) == b"" and "/" in place, "ended in order"
    except ConnectionResetError:
        pass


def break_off(place, name, *ended):
    """our reset arrives: while we might still send, and after we have ended"""
    connection = connect(place)
    connection.sendall(f"held {name} {' '.join(ended)}\n".encode())
    time.sleep(0.2)
    if ended:
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b"."
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def leave(place, name, *loud):
    """everything sent before a close arrives, though nobody reads the answer"""
    connection = connect(place)
    connection.sendall(f"sum {name} {' '.join(loud)}\n".encode() + b"y" * 3000000)
    connection.close()


def told(place):
    """who writes to one who has left, and closed all, is told"""
    connection = connect(place)
    sent = 0
    try:
        connection.sendall(b"leaves\n")
        assert connection.recv(1) == b""
        while sent < 256 * 1048576:
            sent += connection.send(b"x" * 65536)
    except (BrokenPipeError, ConnectionResetError):
        return
    raise AssertionError(f"{sent} bytes went nowhere")


def hold(place, word="mute"):
    """until it is killed or the connection ends"""
    connection = connect(place)
    connection.settimeout(None)
    connection.sendall(f"{word}\n".encode())
    print("held", flush=True)
    try:
        while connection.recv(65536):
            pass
        print("end", flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)


def crowd(place, count):
    """so many that only wait; until it is killed"""
    connections = [connect(place) for _ in range(int(count))]
    for connection in connections:
        connection.sendall(b"count\n")
    print(len(connections), flush=True)
    threading.Event().wait()


def rush(place, count):
    """many at once, some of which may be refused: each comes to its end"""
    connections = [connect(place) for _ in range(int(count))]
    for connection in connections:
        try:
            connection.sendall(b"count\n")
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
    for connection in connections:
        try:
            read_all(connection)
        except ConnectionResetError:
            pass


def scarce(place, count):
    """more than there are descriptors for: those are refused, the others stay"""
    held, refused = [], 0
    for _ in range(int(count)):
        try:
            connection = connect(place)
            connection.sendall(b"echo\n.")
            if connection.recv(1) == b".":
                held.append(connection)
            else:
                refused += 1
        except (ConnectionResetError, BrokenPipeError):
            refused += 1
    for connection in held:
        connection.sendall(b".")
        assert connection.recv(1) == b"."
    assert len(held) > 5 and refused > 5, f"{len(held)} held, {refused} refused"


def crowd_agent(count):
    """so many that only wait at the agent; until it is killed"""
    connections = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(int(count))]
    for connection in connections:
        connection.connect(os.path.join(os.environ["XDG_RUNTIME_DIR"], "sojourn", "agent"))
    print(count, flush=True)
    threading.Event().wait()


def allow(pid, count):
    """a process has this many descriptors, whatever it had"""
    resource.prlimit(int(pid), resource.RLIMIT_NOFILE, (int(count), int(count)))


def deaf(place):
    """never reads; until it is killed"""
    connection = connect(place)
    connection.sendall(b"flood\n")
    print("deaf", flush=True)
    threading.Event().wait()


def push(place):
    """writes to one who never reads; how much went is printed again and again"""
    connection = connect(place)
    connection.sendall(b"mute\n")
    connection.setblocking(False)
    sent = 0
    while True:
        try:
            sent += connection.send(b"x" * 65536)
        except BlockingIOError:
            print(sent, flush=True)
            time.sleep(0.1)


if __name__ == "__main__":
    {function.__name__: function for function in (
        serve, echo, half, greeted, many, reset, half_reset, refused, break_off, leave, told,
        hold, crowd, rush, scarce,
        crowd_agent, allow, deaf, push)}[
            sys.argv[1]](*sys.argv[2:])

# SPDX-License-Identifier: ISC
"""The oracle as a client that breaks rules. Each has a reaction that
PROTOCOL.md demands: the channel closed with a code, or nothing at all."""
import os

from sojourn_oracle import endpoint, handshake, login, packet, wire
from sojourn_oracle.wire import varint
from world import case, check, each

ECHO = wire.opening(b"echo", 0, 1024, 10000)


def opening(service=b"echo", parent=0, borrow=1024, credit=10000, flags=0, weight=1):
    return wire.opening(service, parent, borrow, credit, flags, weight)


def two(data=b"x", **more):
    """A frame of stream 2 with its opening."""
    return wire.stream(2, data, opening=more.pop("opening", ECHO), **more)


def number_and(kind, *fields):
    return varint(kind) + b"".join(varint(one) for one in fields)


# name, frames of packets sent one after the other
CLOSES = [
    ("ack-of-the-future", [wire.ack([[0, 1 << 20]])]),  # SJ-PK-6
    ("unknown-frame", [varint(0x35)]), ("unknown-frame-0x0a", [varint(0x0a)]),  # SJ-FR-2
    ("grease-too-short", [varint(27) + varint(100) + b"x"]),  # SJ-FR-3
    ("ack-below-0", [number_and(wire.ACK, 1, 0, 0, 2)]),  # SJ-FR-4
    ("ack-gap-below-0", [number_and(wire.ACK, 1, 0, 1, 0, 1, 0)]),
    ("extension-frame", [varint(0x1000)]), ("extension-frame-last", [varint(0x1fff)]),  # SJ-FR-5
    ("weight-0", [two(opening=opening(weight=0))]), ("opening-flag-5", [two(opening=opening(flags=0x20))]),  # SJ-FR-7
    ("opening-flag-7", [two(opening=opening(flags=0x80))]), ("service-of-256", [two(opening=opening(b"e" * 256))]),
    ("offset-too-large", [varint(0x2e) + varint(2) + varint(wire.VARINT_MAX) + ECHO + wire.counted(b"x")]),  # SJ-FR-8
    ("no-opening", [wire.stream(2, b"x")]),  # SJ-ST-2
    ("odd-stream", [wire.stream(1, b"x", opening=ECHO)]),
    ("too-much", [two(b"x" * 11, opening=opening(borrow=10))]),  # SJ-ST-3
    ("too-far", [two(b"", offset=11, opening=opening(borrow=10))]),
    ("end-too-far", [two(b"", offset=11, last=True, opening=opening(borrow=10))]),
    ("borrow-too-much", [two(opening=opening(borrow=(256 << 10) + 1))]),  # SJ-ST-4
    ("credit-of-an-unknown-stream", [wire.credit(2, 5)]), ("credit-of-a-stream-of-the-server", [wire.credit(1, 5)]),
    ("stop-of-a-stream-of-the-server", [wire.stop(1, 1)]),  # SJ-ST-13
    ("end-moves-up", [two(b"abc", last=True), two(b"abcd", last=True)]),  # SJ-ST-5
    ("bytes-after-the-end", [two(b"abc", last=True), two(b"abcd")]),
    ("end-before-bytes", [two(b"abc"), two(b"ab", last=True)]),
    ("reset-before-bytes", [two(b"abc"), wire.reset(2, 77, 2, 0, 1024)]),
    ("reset-moves", [two(b"abc"), wire.reset(2, 77, 3, 0, 1024), wire.reset(2, 77, 4, 0, 1024)]),
    ("own-ancestor", [two(opening=opening(parent=2))]),  # SJ-ST-14
    ("end-of-the-root", [lambda client: wire.stream(0, b"", len(client.session.root.data), True)]),  # SJ-ST-11
    ("reset-of-the-root", [wire.reset(0, 1, 0)]), ("stop-of-the-root", [wire.stop(0, 1)]),
    ("urgency-8", [two(), varint(wire.PRIORITY) + varint(2) + varint(1) + bytes([8, 1])]),
    ("weight-of-0", [two(), varint(wire.PRIORITY) + varint(2) + varint(1) + bytes([1, 0])]),
    ("close-of-257", [wire.close(0, b"x" * 257)]),
    ("too-many-ids", [  # SJ-ID-5
        b"".join(number_and(wire.NEW_ID, 4 + i) + os.urandom(8) for i in range(2))]),
    ("service-with-nul", [two(opening=opening(b"e\0"))]),  # SJ-FR-11
    ("retire-of-no-id", [number_and(wire.RETIRE_ID, 77)]),  # SJ-ID-4
]
HARMLESS = [
    ("long-varint-of-a-type", [varint(wire.PING, 2)]), ("longest-varints", [b"".join(  # SJ-FR-9
        varint(field, 8) for field in (wire.CREDIT, 0, 5))]),
    ("grease", [varint(27) + wire.counted(b"abc"), varint(58) + wire.counted(b"")]),  # SJ-FR-3
    ("grease-among-extensions", [varint(31 * 140 + 27) + wire.counted(b"")]),
    ("copies", [two(b"abc"), two(b"abc"), wire.stream(2, b"bc", 1)]),  # SJ-ST-1
    ("lower-credit", [wire.credit(0, 5)]), ("highest-credit", [wire.credit(0, wire.VARINT_MAX)]),
    ("offset-of-0", [varint(0x2e) + varint(2) + varint(0) + ECHO + wire.counted(b"x")]),
    ("copy-of-a-new-id", [b"".join(number_and(wire.NEW_ID, 4) + b"id no. 4" for _ in range(2))]),
    ("service-that-is-no-utf8", [two(opening=opening(b"\xff"))]),  # SJ-FR-11
    ("second-parameters", [varint(wire.PARAMETERS) + wire.counted(wire.put_list([(handshake.ID, b"another.")]))]),  # SJ-HS-14
    ("any-even-id", [wire.stream(100, b"x", opening=ECHO), two()]),  # SJ-ST-16
    ("another-opening", [two(b"abc"), two(b"abc", opening=opening(b"files", borrow=2048))]),
    ("frames-of-a-stream-that-is-over", [  # SJ-ST-16
        wire.reset(2, 77, 0, 0, 1024), wire.stop(2, 1), two(), wire.credit(2, 1 << 30), wire.reset(2, 77, 0, 0, 1024)]),
    ("best-effort", [two(opening=varint(0) + varint(1024) + varint(0) + bytes([8, 1]) + varint(9) +
                         wire.counted(b"echo"))]),
    ("floor", [number_and(wire.FLOOR, 0, 0)]),  # SJ-ST-19
    ("no-length", [two(b"abc", length=False)]),
    ("exactly-the-credit", [two(b"x" * 10, opening=opening(borrow=10))]),
    ("reset-unopened", [wire.reset(2, 77, 0, 0, 1024), two()]),
    ("unsolicited-response", [varint(wire.PATH_RESPONSE) + b"whatever"]),
    ("stop-of-an-unknown-stream", [wire.stop(2, 1)]), ("priority-of-an-unknown-stream", [
        varint(wire.PRIORITY) + varint(2) + varint(1) + bytes([1, 1])]),
    ("priority-of-a-stream-of-the-server", [varint(wire.PRIORITY) + varint(1) + varint(1) + bytes([1, 1])]),
    ("unused-flags-of-reset", [wire.reset(2, 77, 0, 0, 1024, 0xfe)]),  # SJ-FR-10
    ("reset-of-a-known-stream", [two(b"abc"), wire.reset(2, 77, 3, 999, 1 << 40, 0xff)]),
    ("acks-of-acks", [lambda client: wire.ack([[client.channel.largest] * 2])]),
]


def send(client, payloads):
    return [client.channel.send_payload(one(client) if callable(one) else one) for one in payloads]


@each(CLOSES)
def breach(world, payloads):
    """The channel is closed with code 1 [SJ-CL-3]."""
    client = world.client()
    send(client, payloads)
    check(not client.fence(), "nothing happens")
    check(client.channel.closed and client.channel.closed[0] == 1, f"{client.channel.closed} {client.channel.ended}")
    client.socket.close()


@each(HARMLESS)
def harmless(world, payloads):
    """The channel lives, and the packets are acknowledged."""
    client = world.client()
    numbers = send(client, payloads)
    check(client.fence(), f"closed: {client.channel.closed} {client.channel.ended}")
    check(client.wait(lambda: all(one in client.channel.acknowledged for one in numbers)), "not acknowledged")
    client.close()


@case
def opening_beyond_the_credit_of_the_root(world):
    """[SJ-ST-3], [SJ-ST-4]: before the login nothing is given back."""
    for borrow, closed in (((16 << 10) - 256, False), ((16 << 10) - 255, True)):
        client = world.client(False)
        client.channel.send_payload(two(b"", opening=opening(borrow=borrow)))
        check(client.fence() != closed, f"borrow {borrow}: {client.channel.closed}")
        check(not closed or client.channel.closed[0] == 1, f"{client.channel.closed}")
        client.close()


@case
def ack_of_a_skipped_number(world):
    """[SJ-PK-6]: the server leaves out numbers, and cuts off who acknowledges
    one."""
    client = world.client()
    one = client.session.open(b"echo", borrow=4096)
    one.write(os.urandom(20 << 20), last=True)
    seen = client.channel.numbers_seen

    def skipped():  # at once: the server forgets what all of it was acknowledged around
        one.take_all()
        return max(seen) >= len(seen)

    check(client.wait(lambda: skipped() or one.ended()) and skipped(), f"the server skipped none of {len(seen)}")
    gap = set(range(max(seen))).difference(seen).pop()
    client.channel.send_payload(wire.ack([[gap, gap]]))
    check(not client.fence() and client.channel.closed, "nothing happens")
    check(client.channel.closed[0] == 1, f"{client.channel.closed}")
    client.socket.close()


@case
def nothing_acts_before_all_is_decoded(world):
    """[SJ-FR-1]"""
    client = world.client()
    client.channel.send_payload(varint(wire.PATH_CHALLENGE) + b"FIRSTone" + varint(0x35))
    check(not client.fence() and not client.response(b"FIRSTone"), "it acted")
    client.socket.close()


@each([("number-seen-before", {"number": "again"}), ("flag-1", {"flags": 2}), ("flag-6", {"flags": 0x40}),
       ("unknown-id", {"destination": b"nobody's"}), ("key-of-no-phase", {"phase": 3})])
def dropped(world, how):
    """[SJ-PK-2], [SJ-PK-4], [SJ-PK-5]: the packet is nothing."""
    client = world.client()
    if how.get("number"):
        how = {"number": client.channel.send_payload(varint(wire.PING))}
    client.channel.send_payload(varint(wire.PATH_CHALLENGE) + b"CONTROLS", **how)
    check(client.fence() and not client.response(b"CONTROLS"), "it is answered")
    client.close()


@case
def dropped_if_too_short(world):
    """[SJ-PK-1]: it opens, but has 39 bytes."""
    client = world.client()
    keys, number = client.channel.send_keys, client.channel.number()
    phase, header = keys.phase(0), bytes([0]) + client.channel.peer_id + number.to_bytes(3, "big")
    sealed = phase.aead.encrypt(phase.nonce(number), varint(wire.PATH_CHALLENGE) + b"tooSHORT" + bytes(2), header)
    client.output(keys.masked(header, sealed[:16]) + sealed)
    check(client.fence() and not client.response(b"tooSHORT"), "it is answered")
    client.close()


@case
def old_key_after_a_new_one(world):
    """[SJ-KEY-6]"""
    client = world.client()
    client.channel.send_payload(varint(wire.PING), phase=1)
    client.channel.send_payload(varint(wire.PING), phase=0)
    client.channel.phase = 1
    check(not client.fence() and client.channel.closed[0] == 1, f"{client.channel.closed}")
    client.socket.close()


@case
def phase_too_early(world):
    """[SJ-KEY-9]: two phases at once; the second is taken when it comes again,
    as the server follows by then [SJ-KEY-8]."""
    client = world.client()
    client.channel.send_payload(varint(wire.PING), phase=1)
    client.channel.send_payload(varint(wire.PATH_CHALLENGE) + b"tooEARLY", phase=2)
    client.channel.phase = 1
    check(client.fence() and not client.response(b"tooEARLY"), "it is taken at once")
    check(client.channel.receive_phase == 1, "the server does not follow")
    client.channel.phase = 2
    check(client.fence() and client.channel.receive_phase == 2, "the server does not follow again")
    client.close()


@case
def too_many_holes(world):
    """[SJ-ST-9], [SJ-CL-3]: a limit."""
    client = world.client()
    client.channel.send_payload(wire.stream(2, b"", opening=opening(borrow=65536)))
    for first in range(2, 60000, 280):
        client.channel.send_payload(b"".join(wire.stream(2, b"x", first + 2 * i) for i in range(140)))
        if not client.fence():
            break
    check(client.channel.closed and client.channel.closed[0] == 2, f"{client.channel.closed}")
    client.socket.close()


@case
def acknowledgements_are_not_acknowledged(world):
    """[SJ-FR-6]: the next packet of the server answers what follows it."""
    client = world.client()
    check(client.fence(), "no answer")
    seen = len(client.channel.numbers_seen)
    for _ in range(20):
        client.channel.send_payload(wire.ack([[client.channel.largest] * 2]))
    check(client.fence(), "no answer")
    check(len(client.channel.numbers_seen) - seen < 10, "they are answered")
    client.close()


@case
def close_is_repeated_up_to_three_times(world):
    """Section 9."""
    client = world.client()
    client.socket.log = []
    client.channel.send_payload(varint(0x35))
    check(client.wait(lambda: client.channel.closed), "not closed")
    for _ in range(6):
        client.channel.send_payload(varint(wire.PING))
    other = world.client()
    while client.socket.receive():
        pass
    check(2 <= len(client.socket.log) <= 4, f"{len(client.socket.log)} packets")
    other.close()
    client.socket.close()


# ---- hellos

def tampered(parts, at=-20):
    return [parts[-1][:at] + bytes([parts[-1][at] ^ 1]) + parts[-1][at + 1:]]


def resized(parts, size):
    return [parts[0][:size].ljust(size, b"\0")]


def byte(at, value):
    return lambda parts: [parts[0][:at] + bytes([value]) + parts[0][at + 1:]]


def reoffered(at, value):
    """A byte of the offer, consistently in prologue and body."""
    return {"offer": (at, value)}


NX = {"nx": True}
SILENT_HELLOS = [
    ("of-1199", {}, lambda parts: resized(parts, 1199)),  # SJ-HS-5
    ("of-1201", {}, lambda parts: resized(parts, 1201)),  # SJ-HS-12
    ("tampered", {}, tampered), ("prologue", {"wrong_prologue": True}, None),  # SJ-HS-2, SJ-HS-1
    ("random-bits-changed", {}, lambda parts: [bytes([parts[0][0] ^ 1]) + parts[0][1:]]),  # SJ-HS-1
    ("type-2", {}, byte(0, 0xa0)), ("type-5", {}, byte(0, 0xd0)), ("type-7", {}, byte(0, 0xf0)),  # SJ-PK-2
    ("digest", {}, byte(38, 0)), ("total-above-6900", {}, byte(48, 0xff)),  # SJ-HS-12
    ("offset-of-1", {}, byte(47, 1)),
    ("no-suite", {"suites": ()}, None), ("unknown-suite", {"suites": (99,)}, None),  # SJ-HS-8
    ("pattern-0", reoffered(0, 0), None), ("pattern-3", reoffered(0, 3), None), ("cipher-3", reoffered(1, 3), None),
    ("false-refusal", dict(NX, refused="own"), None),  # SJ-HS-3
    ("refusal-code-2", dict(NX, refused=(2, 2, b"abcd")), None),
    ("refusal-of-nx", dict(NX, refused=(1, 1, b"abcd")), None),
    ("another-version-would-be-better", {"versions": (0x12345678,)}, None),  # SJ-VN-3
]


@each(SILENT_HELLOS)
def hello(world, options, change):
    """No answer; the same socket gets one to a good hello that follows."""
    client = endpoint.Client(world.serve())
    options, key = dict(options), world.server_key()
    if options.get("refused") == "own":
        options["refused"] = (1, packet.NK, packet.key_number(key))
    real, place = packet.offer, options.pop("offer", None)
    if place:
        packet.offer = lambda *fields: real(*fields)[:place[0]] + bytes([place[1]]) + real(*fields)[place[0] + 1:]
    try:
        bad = handshake.Initiator(None if options.pop("nx", False) else key, **options)
    finally:
        packet.offer = real
    client.socket.log = []
    for part in change(bad.hello()) if change else bad.hello():
        client.output(part)
    client.connect(key)
    check(client.fence(), "no channel")
    check(not any(one[0] & 0x80 and one[5:13] == bad.source for one in client.socket.log), "it is answered")
    client.close()


@case
def noise_is_not_answered(world):
    """[SJ-PK-2]"""
    client = endpoint.Client(world.serve())
    for size in range(0, 1400, 7):
        client.output(os.urandom(size))
    client.socket.log = []
    client.connect(world.server_key())
    check(client.fence(), "no channel")
    ours = lambda one: one[5:13] == client.initiator.source if one[0] & 0x80 else one[1:9] == client.own_id
    check(all(ours(one) or one[1:5] == bytes(4) for one in client.socket.log), "something is answered")
    client.close()


def parameters(*entries):
    return varint(wire.PARAMETERS) + wire.counted(wire.put_list(entries))


@each([("none", None), ("no-id", [(handshake.ROOT_CREDIT, varint(65536))]), ("short-id", [(handshake.ID, b"x" * 7)]),
       ("small-datagrams", [(handshake.ID, b"12345678"), (handshake.DATAGRAM, varint(1199))])])
def first_packet_with_parameters(world, entries):
    """[SJ-HS-9]: the server has no id to send CLOSE to; the channel is over
    without a word."""
    client = endpoint.Client(world.serve()).connect(world.server_key())
    good = client.channel.parameters
    client.channel.parameters, client.socket.log = None, []
    client.channel.send_payload((parameters(*entries) if entries else b"") + varint(wire.PING))
    client.channel.send_payload(good + varint(wire.PING))
    other = world.client()
    while client.socket.receive():
        pass
    check(not client.socket.log, "the channel goes on")
    other.close()
    client.socket.close()


# ---- records

LOGIN_OF = [(login.APPLICATION, b"sojourn"), (login.SERVER, b""), (login.USER, b"x"), (login.MECHANISM, b"publickey"),
            (login.MESSAGE, b""), (login.NUMBER, varint(1))]


@each([("unknown", True, login.record(5)), ("too-long", True, varint(58) + varint(8177)),  # SJ-LG-1
       ("result", True, login.record(login.RESULT)), ("ended", True, login.record(login.ENDED)),
       ("login-when-in", True, login.record(login.LOGIN, LOGIN_OF)),  # SJ-LG-3
       ("list-broken", False, varint(1) + varint(2) + b"\x01\x05"), ("login-of-nothing", False, login.record(login.LOGIN)),
       ("logout-before-login", False, login.record(login.LOGOUT)),
       ("name-with-nul", False, login.record(login.LOGIN, LOGIN_OF[:2] + [(login.USER, b"a\0b")] + LOGIN_OF[3:])),  # SJ-LG-2
       ("name-of-256", False, login.record(login.LOGIN, LOGIN_OF[:2] + [(login.USER, b"u" * 256)] + LOGIN_OF[3:])),
       ("number-2-first", False, login.record(login.LOGIN, LOGIN_OF[:5] + [(login.NUMBER, varint(2))])),  # SJ-LG-3
       ("two-logins-at-once", False, login.record(login.LOGIN, LOGIN_OF) * 2)])
def record(world, logged_in, data):
    """Closes the channel with code 1."""
    client = world.client(logged_in)
    client.session.root.write(data)
    check(client.wait(lambda: False) is False and client.channel.closed[0] == 1, f"{client.channel.closed}")
    client.socket.close()


@case
def record_of_grease(world):
    """[SJ-LG-1]: also with as much as a record may have."""
    client = world.client()
    client.session.root.write(login.record(27) + login.record(58, [(27, bytes(8176 - 3))]))
    check(client.fence() and client.wait(lambda: not client.session.root.has_data()) and client.fence(), "closed")
    client.close()


@case
def seventh_login(world):
    """[SJ-LG-3]: six in all."""
    client = world.client(False)
    for number in range(1, 7):
        check(client.login(world.other, world.user, number=number) != 0, "a stranger is in")
    client.send_login(world.key, world.user, number=7)
    check(not client.wait(lambda: client.result) and client.channel.closed[0] == 1, f"{client.result}")
    client.socket.close()


@each([("ff", b"\xff"), ("cut-off", b"a\xc3"), ("overlong", b"\xc0\x80"), ("overlong-3", b"\xe0\x9f\xbf"), ("overlong-4", b"\xf0\x8f\xbf\xbf"),
       ("surrogate", b"\xed\xa0\x80"), ("beyond-unicode", b"\xf4\x90\x80\x80"), ("bare-continuation", b"\x80")])
def name_that_is_no_utf8(world, name):
    """[SJ-LG-2]: closes the channel, in each of the names."""
    for field in ("server", "user", "application", "mechanism"):
        client = world.client(False)
        words = dict(user=world.user, server=world.name, application=b"sojourn", mechanism=b"publickey")
        words[field] = name
        client.session.root.write(login.record(login.LOGIN, [
            (login.APPLICATION, words["application"]), (login.SERVER, words["server"]), (login.USER, words["user"]),
            (login.MECHANISM, words["mechanism"]), (login.MESSAGE, b""), (login.NUMBER, varint(1))]))
        client.wait(lambda: client.result)
        check(client.channel.closed and client.channel.closed[0] == 1, f"{field}: {client.channel.closed}")
        client.socket.close()


@each([("two-bytes", "\u00e9"), ("three-bytes", "\u65e5\ud7ff\ue000"), ("four-bytes", "\U00010000\U0010ffff")])
def name_of_utf8(world, name):
    """[SJ-LG-2]: is looked at as any other; nobody has it."""
    client = world.client(False)
    check(client.login(world.key, name.encode()) == 114, "not refused")
    client.close()


@case
def name_of_another_server(world):
    """[SJ-LG-5]: the server was told its names."""
    for name in (b"not-this-server.example", b"", world.name + b".", world.name[:-1], b"other.example," + world.name):
        client = world.client(False)
        check(client.login(world.key, world.user, server=name) == 114, f"{name} is taken")
        client.close()
    client = world.client(False)
    check(client.login(world.key, world.user, server=b"other.example") == 0, "its second name is refused")
    client.close()

# SPDX-License-Identifier: ISC
"""The oracle as a client of the real server: what has to work."""
import os

from sojourn_oracle import endpoint, handshake, login, noise, packet, wire
from world import case, check, each, fingerprint, result_code


def echo(world, client, size, streams=1, credit=128 << 10):
    """size bytes there and back on each of some streams at once [SJ-ST-17]."""
    sent = []
    for _ in range(streams):
        one = client.session.open(b"echo", borrow=4096, credit=credit)
        sent.append((one, os.urandom(size)))
        one.write(sent[-1][1], last=True)
    done = lambda: all(one.take_all() is not None and one.ended() for one, _ in sent)
    check(client.wait(done), f"no echo: {client.channel.closed} {client.channel.ended}")
    for one, data in sent:
        check(one.peer_reset is None and bytes(one.read) == data, "the echo differs")


# ---- handshake

@case
def first_contact_nx(world):
    client = endpoint.Client(world.serve()).connect()
    check(fingerprint(client.server_key) == world.fingerprint, "another key")
    check(client.fence(), "the channel does not work")
    client.close()


@each([("nk", True, 1, (3, 2, 1)), ("nk-aesgcm", True, 2, (3,)), ("nx-aesgcm", False, 2, (3,)),
       ("aes-128", True, 1, (1,)), ("aes-256", True, 1, (2,)), ("chacha", True, 1, (3,)),
       ("best-first", False, 1, (2, 3, 1)), ("unknown-suites-are-skipped", True, 1, (99, 1))])
def handshake_of(world, nk, suite, suites):
    """Each pattern, cipher of the handshake and suite of packets."""
    client = endpoint.Client(world.serve(), suite=suite, suites=suites)
    client.connect(world.server_key() if nk else None)
    check(client.values[handshake.SUITE][0] == [one for one in suites if one < 99][0], "not the best suite")
    check(client.login(world.key, world.user) == 0, "no login")
    echo(world, client, 5000)
    client.close()


@each([(str(n), n) for n in (2, 3, 6)])
def hello_in_fragments_of(world, count):
    """[SJ-HS-12]"""
    client = endpoint.Client(world.serve(), fragments=count).connect(world.server_key())
    check(client.fence(), "the channel does not work")
    client.close()


@case
def hello_fragments_in_any_order(world):
    client = endpoint.Client(world.serve())
    client.initiator = handshake.Initiator(world.server_key(), fragments=4)
    client.resend_at = float("inf")
    parts = client.initiator.hello()
    for index in (3, 1, 1, 0, 2):
        client.output(parts[index])
    endpoint.drive([client], lambda: client.channel)
    check(client.fence(), "the channel does not work")
    client.close()


@case
def refusal_then_nx(world):
    """[SJ-HS-3]"""
    client = endpoint.Client(world.serve())
    client.socket.log = []
    client.connect(noise.Key().public, pinned=world.server_key())
    check(client.refusals == [packet.UNKNOWN_KEY] and client.initiator.pattern == packet.NX, "no refusal")
    refusals = [one for one in client.socket.log if one[0] >> 4 == 8 | packet.REFUSAL]
    check(all(len(one) >= packet.SMALLEST for one in refusals), "a REFUSAL is not padded [SJ-PK-1]")
    check(client.login(world.key, world.user) == 0, "no login")
    client.close()


@case
def refusal_then_another_key_is_the_end(world):
    """[SJ-HS-4], as our own client has it."""
    client = endpoint.Client(world.serve())
    try:
        client.connect(noise.Key().public)
        check(False, "another key was taken")
    except PermissionError:
        check(client.channel is None, "there is a channel")


@case
def hello_copies_get_one_answer(world):
    """Section 3.1: a copy is answered with the same answer."""
    client = endpoint.Client(world.serve())
    client.initiator = handshake.Initiator(world.server_key())
    client.resend_at, client.socket.log = float("inf"), []
    bodies = []
    for attempt in (0, 9, 255):
        client.output(client.initiator.hello(attempt)[0])
        world.until(lambda: take_answer(client, bodies))
    check(len(bodies) == 3 and len(set(bodies)) == 1, "the answers differ")
    check(client.socket.bytes_in <= client.socket.bytes_out, "more bytes than came [SJ-HS-6]")
    client.close()


def take_answer(client, bodies):
    got = client.socket.receive()
    if got:
        one = packet.get_long(got[0])
        check(one.kind == packet.ANSWER and one.destination == client.initiator.source, "no answer to us")
        bodies.append(one.part)
    return got


@case
def answer_is_no_larger_than_the_hello(world):
    """[SJ-HS-6]: whoever never proves its address gets no more than it sent."""
    client = endpoint.Client(world.serve()).connect()
    endpoint.drive([Mute(client)], lambda: False, 1, strict=False)
    check(client.socket.bytes_in <= client.socket.bytes_out, "more bytes than came")
    client.close()


class Mute:
    """An endpoint that only listens."""

    def __init__(self, client):
        self.socket, self.client = client.socket, client

    def work(self):
        pass

    def receive(self):
        while self.socket.receive():
            pass


@case
def half_open_channels_do_not_shut_the_door(world):
    """[SJ-HS-7]: thousands that never go on; others are served."""
    many = endpoint.Socket()
    for number in range(3000):
        many.send(handshake.Initiator(None).hello()[0], world.serve())
        if number % 16 == 0:
            while many.receive():
                pass
    many.close()
    client = world.client()
    echo(world, client, 1000)
    client.close()
    world.stop()  # for a minute it would answer every hello with a cookie


@case
def versions_are_named(world):
    """[SJ-VN-1], [SJ-VN-4]"""
    for size, expected in ((1200, True), (1199, False)):
        client = endpoint.Client(world.serve())
        ours, theirs = os.urandom(8), os.urandom(8)
        client.output(packet.long_header(packet.HELLO, theirs, ours, version=0x0a1a2a3a).ljust(size, b"\0"))
        client.socket.log = []
        client.connect(world.server_key())
        check(client.fence(), "no channel")
        found = [packet.get_long(one) for one in client.socket.log if one[0] & 0x80 and one[5:13] == ours]
        check(bool(found) == expected, f"{len(found)} answers to {size} bytes")
        for one in found:
            check(one.kind == packet.VERSIONS and one.source == theirs, "no VERSIONS")
            check(packet.VERSION in one.versions, "our version is not in it")
            check(any(each & 0x0f0f0f0f == 0x0a0a0a0a for each in one.versions), "no grease [SJ-VN-4]")
        client.close()


@case
def server_sends_grease(world):
    """[SJ-VN-4]"""
    client = endpoint.Client(world.serve()).connect(world.server_key())
    check(any(wire.grease(kind) for kind in client.values), "no grease in message 2")
    client.close()


# ---- login and streams

@case
def login_logout(world):
    client = world.client()
    check(len(client.result[login.SESSION]) == 8 and client.result[login.USER] == world.user, "a poor RESULT")
    client.logout()
    check(client.records[-1][0] == login.ENDED, "no ENDED")
    # [SJ-LG-10]
    check(not client.fence() and client.channel.closed == (0, b""), f"after ENDED: {client.channel.closed}")
    client.socket.close()


@case
def login_and_stream_in_the_first_packets(world):
    """Section 3.1: one round trip."""
    client = endpoint.Client(world.serve()).connect(world.server_key())
    client.send_login(world.key, world.user)
    one = client.session.open(b"echo")
    one.write(b"early", last=True)
    check(client.wait(one.ended) and bytes(one.read) == b"early", "no echo")
    check(client.wait(lambda: any(kind == login.RESULT for kind, _ in client.records)), "no result")
    check(result_code(client) == 0, "no login")
    client.close()


@case
def login_again_after_a_refusal(world):
    """[SJ-LG-3]"""
    client = world.client(False)
    check(client.login(world.other, world.user) != 0, "a stranger is in")
    check(client.login(world.key, world.user, number=2) == 0, "the second try fails")
    echo(world, client, 1000)
    client.close()


@case
def refusals_are_alike(world):
    """[SJ-LG-6]: user, key and signature."""
    results = []
    for private, user, other in ((world.other, world.user, {}), (world.key, b"nobody-at-all", {}),
                                 (world.other, world.user, {"claim": world.key}),
                                 (world.key, world.user, {"handshake_hash": bytes(32)})):
        client = world.client(False)
        check(client.login(private, user, **other) != 0, "in")
        results.append([value for kind, value in client.records if kind == login.RESULT])
        client.close()
    check(all(one == results[0] for one in results), f"they differ: {results}")


@each([("hash", {"handshake_hash": bytes(32)}), ("server-key", {"server_key": bytes(32)}),
       ("role", {"role": b"server"}), ("mechanism", {"mechanism": b"password"}), ("namespace", {"namespace": b"file"}),
       ("number", {"signed_number": 2}), ("application", {"signed_application": b"mail"}),
       ("user", {"signed_user": b"root"}), ("server", {"signed_server": b"elsewhere"}), ("key", {"blob": b"x" * 51})])
def proof_covers(world, words):
    """[SJ-LG-7]: a signature over anything else is refused."""
    client = world.client(False)
    check(client.login(world.key, world.user, **words) != 0, "a wrong signature is taken")
    client.close()


@case
def credit_before_the_login_is_small(world):
    """[SJ-LG-4]: at most 16 KiB."""
    client = world.client(False)
    check(client.session.root.limit <= 16 << 10, f"{client.session.root.limit}")
    client.close()


@case
def streams_before_a_refusal_wait_for_the_next_try(world):
    """[SJ-LG-4]: shows nobody what came before a login, and keeps it. Streams
    to no service are reset in turn, so the answer to a later one tells."""
    client = world.client(False)
    early = client.session.open(b"nothing")
    early.write(b"early")
    check(client.fence() and client.login(world.other, world.user) != 0, "a stranger is in")
    check(client.fence() and early.peer_reset is None, "it is shown before the login")
    check(client.login(world.key, world.user, number=2) == 0, "no login")
    late = client.session.open(b"nothing")
    late.write(b"late")
    check(client.wait(lambda: late.peer_reset is not None), "no RESET")
    check(early.peer_reset == 2, "what came before the refusal is lost")
    client.close()


@case
def credit_of_the_root_is_kept_to(world):
    """[SJ-ST-3], by the server, whose RESULT needs credit of the client."""
    client = endpoint.Client(world.serve())
    client.root_credit = 0
    client.connect(world.server_key())
    client.session.root.granted = 1 << 20  # looked at here and not there
    check(client.fence(), "no channel")
    size = os.path.getsize(world.path("server.log"))
    client.send_login(world.key, world.user)

    def logged():
        with open(world.path("server.log"), "rb") as log:
            log.seek(size)
            return b" login session=" in log.read()

    check(client.wait(logged) and client.fence() and client.fence(), "no login")
    check(not client.session.root.read, "bytes of stream 0 came that had no credit")
    client.channel.send(wire.credit(0, 1 << 16))
    check(client.wait(lambda: client.result), "no RESULT when there is credit")
    client.close()


@case
def echo_300_kb(world):
    client = world.client()
    echo(world, client, 300000)
    client.close()


@case
def echo_five_streams(world):
    client = world.client()
    echo(world, client, 60000, streams=5)
    client.close()


@each([("ten-percent", 0.1, 3), ("a-quarter", 0.25, 4)])
def echo_with_loss_of(world, loss, seed):
    client = world.client(loss=loss, seed=seed)
    echo(world, client, 100000 if loss > 0.2 else 200000, streams=2)
    check(client.socket.dropped > 20, "nothing was lost")
    client.logout()
    client.socket.close()


@case
def child_of_a_service(world):
    """Services are asked for by children of the root: a child of a program's
    stream, paid for by that [SJ-ST-4], is reset; its parent lives on."""
    client = world.client()
    parent = client.session.open(b"echo", borrow=1024)
    parent.write(b"parent")
    check(client.wait(lambda: parent.known and parent.room() > 10000), "no credit for the parent")
    child = client.session.open(b"echo", parent=parent, borrow=2048, lender_is_root=False)
    child.write(b"child", last=True)
    check(client.wait(lambda: child.peer_reset is not None) and child.peer_reset in (1, 2), f"code {child.peer_reset}")
    parent.write(b" and more", last=True)
    check(client.wait(parent.ended) and bytes(parent.read) == b"parent and more", "no echo")
    client.close()


@case
def unknown_service_is_reset(world):
    client = world.client()
    one = client.session.open(b"nothing")
    one.write(b"x")
    check(client.wait(lambda: one.peer_reset is not None), "no RESET")
    check(one.peer_reset == 2, f"code {one.peer_reset}")
    echo(world, client, 1000)
    client.close()


@case
def stop_is_answered_by_reset(world):
    """[SJ-ST-12], [SJ-ST-20]"""
    client = world.client()
    one = client.session.open(b"echo")
    one.write(b"x")
    check(client.wait(lambda: one.read), "no echo")
    one.stop(55)
    check(client.wait(lambda: one.peer_reset is not None), "no RESET")
    check(one.peer_reset == 55, f"code {one.peer_reset}")
    client.close()


@case
def borrowed_credit_comes_back(world):
    """[SJ-ST-6]: far more streams than the root's credit has openings for."""
    client = world.client()
    charged = client.session.root.limit
    for _ in range(24):
        check(client.wait(lambda: client.session.root.room() > 70000), "no credit comes back")
        one = client.session.open(b"echo", borrow=65536)
        one.write(b"x", last=True)
        check(client.wait(lambda: one.ended() and one.end_acked), "no echo")
    check(client.session.root.charged > charged, "that was not enough to see it")
    client.close()


# ---- packets, ids, keys, paths

@case
def ids_are_kept_ready(world):
    """[SJ-ID-5]: four, the one in use among them; any of them works."""
    client = endpoint.Client(world.serve()).connect(world.server_key())
    check(client.fence() and client.wait(lambda: len(client.channel.peer_ids) == 4), "not four ids")
    check(sorted(client.channel.peer_ids) == [0, 1, 2, 3], "other sequences")
    client.channel.peer_id = client.channel.peer_ids[2]
    client.channel.send(wire.varint(wire.RETIRE_ID) + wire.varint(0))
    check(client.wait(lambda: 4 in client.channel.peer_ids), "no fresh id for one given back")
    check(client.fence(), "the other id does not work")
    client.close()


@case
def key_phases(world):
    """A phase of our own; late packets of the one before still open."""
    client = world.client()
    challenge = lambda data: wire.varint(wire.PATH_CHALLENGE) + data
    late = client.channel.number()
    client.channel.phase = 1
    # one at a time: of several challenges the last is answered [SJ-PA-3]
    client.channel.send_payload(challenge(b"newPHASE"))
    check(client.wait(lambda: client.response(b"newPHASE")), "a new phase is not taken")
    client.channel.send_payload(challenge(b"oldPHASE"), phase=0, number=late)
    check(client.wait(lambda: client.response(b"oldPHASE")), "a late packet is not taken")
    echo(world, client, 100000)
    client.close()


@case
def the_client_moves(world):
    """[SJ-PA-1], [SJ-PA-2]: challenged at the new address, which is used
    once the response came."""
    client = world.client()
    old, client.socket = client.socket, endpoint.Socket()
    before = len(client.channel.log)
    client.channel.send_payload(wire.varint(wire.PING) + bytes(1000))
    challenged = lambda: any(one.kind == wire.PATH_CHALLENGE for one in client.channel.log[before:])
    check(client.wait(challenged), "no challenge")
    echo(world, client, 100000)
    check(any(one.kind == wire.RETIRE_ID for one in client.channel.log), "no id was given back [SJ-PA-2]")
    old.close()
    client.close()


@case
def an_older_packet_moves_nothing(world):
    """[SJ-PA-1]: only the largest number does."""
    client = world.client()
    old, elsewhere = client.socket, endpoint.Socket()
    number = client.channel.number()
    check(client.fence(), "no answer")
    client.socket = elsewhere
    client.channel.send_payload(wire.varint(wire.PING) + bytes(1000), number=number)
    client.socket = old
    check(client.fence(), "no answer")
    check(elsewhere.receive() is None, "something came to the new address")
    elsewhere.close()
    client.close()


@case
def a_small_challenge_from_a_new_address(world):
    """[SJ-PA-1], [SJ-PA-3]: both want a packet of at most 40 bytes there."""
    client = world.client(False)
    client.socket = endpoint.Socket()
    client.channel.send_payload(wire.varint(wire.PATH_CHALLENGE) + b"smallest")
    dead = lambda: world.server.poll() is not None
    client.wait(lambda: client.response(b"smallest") or dead())
    check(not dead(), "the server is dead")
    check(client.fence(), "no answer at the new address")
    client.close()


@case
def first_packet_from_elsewhere(world):
    """[SJ-PA-4]"""
    client = endpoint.Client(world.serve()).connect(world.server_key())
    client.socket = endpoint.Socket()
    check(client.login(world.key, world.user) == 0, "no login from there")
    check(any(one.kind == wire.PATH_CHALLENGE for one in client.channel.log), "no challenge")
    echo(world, client, 20000)
    client.close()


@case
def close_is_the_end(world):
    client = world.client()
    client.channel.send_payload(wire.close(0))
    client.socket.log = []
    client.channel.send_payload(wire.varint(wire.PING))
    other = world.client()  # whatever the server had to say about it is said by then
    endpoint.drive([Mute(client)], lambda: True)
    while client.socket.receive():
        pass
    check(not client.socket.log, "the server answers after CLOSE")
    other.close()
    client.socket.close()

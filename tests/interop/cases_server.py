# SPDX-License-Identifier: ISC
"""The oracle as a server of the real command."""
import os

from sojourn_oracle import endpoint, login, noise, packet, server, wire
from world import case, check, each, fingerprint


def target(one):
    return f"127.0.0.1:{one.port()}"


def new_server(world, **options):
    return server.Server(login.authorized(world.key_file + ".pub"), **options)


def pinned(world, one, *arguments, key=None):
    """Options of a command that knows the server's key."""
    return ["--no-agent", "-i", key or world.key_file, "--server-key", fingerprint(one.static.public), *arguments]


def open_echo(world, one, size, *more):
    data = os.urandom(size)
    code, out, words = world.run("open", *pinned(world, one), *more, target(one), "echo", server=one, stdin=data)
    check(code == 0, words)
    check(out == data, "the echo differs")


@case
def command_logs_in(world):
    one = new_server(world)
    code, _, words = world.run("login", *pinned(world, one), target(one), server=one)
    check(code == 0, words)
    endpoint.drive([one], lambda: one.channels[0].channel.closed)
    channel = one.channels[0]
    values, proven = channel.logins[0]
    check(proven, "the SSHSIG does not verify")
    check(values[login.USER] == world.user and values[login.APPLICATION] == b"sojourn" and
          values[login.SERVER] == b"127.0.0.1" and values[login.MECHANISM] == b"publickey", f"{values}")
    check(channel.state == "logged out", f"no LOGOUT: {channel.state}")
    check(channel.channel.closed[0] == 0, f"{channel.channel.closed}")


@case
def command_sends_parameters_until_acknowledged(world):
    """[SJ-HS-9], [SJ-HS-18]"""
    one = new_server(world)
    code, _, words = world.run("login", *pinned(world, one), target(one), server=one)
    check(code == 0, words)
    check(any(frame.kind == wire.PARAMETERS for frame in one.channels[0].channel.log[:2]), "not at first")


@case
def command_remembers_the_key(world):
    """First contact by NX, then by NK."""
    one = new_server(world)
    for patterns in ((packet.NX, packet.NX_HYBRID), (packet.NK, packet.NK_HYBRID)):
        code, _, words = world.run("login", "--no-agent", "-i", world.key_file, "-o", "StrictHostKeyChecking=accept-new",
                                   target(one), server=one)
        check(code == 0, words)
        check(one.offers[-1].pattern in patterns, f"pattern {one.offers[-1].pattern}")


@case
def command_meets_another_key(world):
    """[SJ-HS-3], [SJ-HS-4]: the REFUSAL, NX with it, and no packet more."""
    one = new_server(world)
    arguments = ["login", "--no-agent", "-i", world.key_file, "-o", "StrictHostKeyChecking=accept-new", target(one)]
    code, _, words = world.run(*arguments, server=one)
    check(code == 0, words)
    endpoint.drive([one], lambda: one.channels[0].channel.closed)
    old, one.static, one.shorts = one.static, noise.Key(), 0
    one.channels.clear()
    code, _, words = world.run(*arguments, server=one)
    check(code == 255 and "CHANGED" in words, words)
    last = one.offers[-1]
    check((last.refusal, last.refused_number) == (1, packet.key_number(old.public)), f"{last}")
    check((last.pattern, last.refused_pattern) in (
        (packet.NX, packet.NK), (packet.NX_HYBRID, packet.NK_HYBRID)), f"{last}")
    check(one.shorts == 0, "something was sent under the other key")


@case
def command_with_another_key_is_refused(world):
    one = new_server(world)
    code, _, words = world.run("login", *pinned(world, one, key=world.other_file), target(one), server=one)
    check(code == 255 and "refused" in words, words)
    check(one.channels[0].logins[0][1] and one.channels[0].state == "new", "another case")


@case
def command_opens_echo(world):
    open_echo(world, new_server(world), 400000)


@each([("ten-percent", 0.1), ("a-quarter", 0.25)])
def command_opens_echo_with_loss_of(world, loss):
    one = new_server(world, loss=loss)
    open_echo(world, one, 100000, "--timeout", "30")
    check(one.socket.dropped > 10, "nothing was lost")


@each([("aes-128", packet.AES_128_GCM), ("aes-256", packet.AES_256_GCM), ("chacha", packet.CHACHA)])
def command_takes_suite(world, suite):
    open_echo(world, new_server(world, choose=suite), 5000)


@case
def command_drops_an_answer_with_another_suite(world):
    """[SJ-HS-8]"""
    one = new_server(world, choose=9)
    code, _, words = world.run("login", *pinned(world, one), "--timeout", "2", target(one), server=one)
    check(code == 255 and "network" in words, words)
    check(one.shorts == 0 and one.hellos, "it was taken")


@case
def command_drops_a_tampered_answer(world):
    """[SJ-HS-2]: and takes the good one that comes to the next hello."""
    one = new_server(world)
    one.tamper = 1
    open_echo(world, one, 1000)
    check(one.tamper == 0, "nothing was tampered with")


@case
def command_returns_a_cookie(world):
    """[SJ-HS-11]"""
    one = new_server(world)
    one.cookies = True
    open_echo(world, one, 1000)
    check(one.cookies_sent, "no cookie was asked for")


@case
def command_assembles_an_answer(world):
    """[SJ-HS-13]: fragments, one for each copy of the hello."""
    one = new_server(world)
    one.answer_fragment = 50
    open_echo(world, one, 1000)
    check(one.hellos > 2, "the answer was whole")


@case
def command_has_no_version_of_ours(world):
    """[SJ-VN-2]"""
    one = new_server(world)
    one.no_version = True
    code, _, words = world.run("login", *pinned(world, one), target(one), server=one)
    check(code == 255 and "version" in words, words)


@case
def command_lists_versions_and_grease(world):
    """[SJ-VN-3], [SJ-VN-4]"""
    one = new_server(world)
    code, _, words = world.run("login", *pinned(world, one), target(one), server=one)
    check(code == 0, words)
    values = one.channels[0].values
    listed = [int.from_bytes(values[7][at:at + 4], "big") for at in range(0, len(values[7]), 4)]
    check(packet.VERSION in listed and any(one & 0x0f0f0f0f == 0x0a0a0a0a for one in listed), f"{listed}")
    check(any(wire.grease(kind) for kind in values), "no grease in message 1")


@case
def command_asks_for_an_unknown_service(world):
    one = new_server(world)
    code, _, words = world.run("open", *pinned(world, one), target(one), "nothing", server=one)
    check(code == 255 and "does not offer" in words, words)


@case
def command_skips_numbers(world):
    """[SJ-PK-6]"""
    one = new_server(world)
    for _ in range(40):
        open_echo(world, one, 500000)
        seen = set(one.channels[-1].channel.numbers_seen)
        if len(seen) < max(seen) + 1:
            break
    check(len(seen) < max(seen) + 1, f"none of {len(seen)} was skipped")


def with_echo(world, one, act):
    """An open stream of the command; act(channel) once, when bytes came."""
    process = world.start("open", *pinned(world, one), target(one), "echo", stdin=os.urandom(300000))
    try:
        endpoint.drive([one], lambda: one.channels and 2 in one.channels[0].session.streams)
        act(one.channels[0].channel)
        endpoint.drive([one], lambda: process.poll() is not None)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    return world.result(process)


@each([("unknown-frame", wire.varint(0x35)), ("ack-of-the-future", wire.ack([[0, 1 << 20]])),
       ("own-opening", wire.stream(8, b"x")), ("too-much", wire.stream(2, b"x", 1 << 40)),
       ("reset-of-the-root", wire.reset(0, 1, 0)), ("even-stream", wire.stream(
           100, b"x", opening=wire.opening(b"x", 0, 100, 100)))])
def command_closes_after(world, payload):
    """The client, too, closes with code 1."""
    one = new_server(world)
    code, _, words = with_echo(world, one, lambda channel: channel.send_payload(payload))
    check(code == 255 and "protocol" in words, words)
    endpoint.drive([one], lambda: one.channels[0].channel.closed)
    check(one.channels[0].channel.closed and one.channels[0].channel.closed[0] == 1, f"{one.channels[0].channel.closed}")


@case
def command_follows_to_another_of_its_ids(world):
    """[SJ-ID-3]"""
    one, used = new_server(world), {}

    def act(channel):
        endpoint.drive([one], lambda: len(channel.peer_ids) >= 3)
        channel.peer_id = channel.peer_ids[1]
        used["log"] = len(channel.log)

    before = len(one.ids_used)
    code, _, words = with_echo(world, one, act)
    check(code == 0, words)
    given_back = [frame for frame in one.channels[0].channel.log[used["log"]:] if frame.kind == wire.RETIRE_ID]
    check(given_back and len(one.ids_used) > before + 1, "it goes on under the same id")


@case
def command_hears_only_its_server(world):
    """[SJ-PA-5]: a packet from another address is nothing."""
    one, elsewhere = new_server(world), endpoint.Socket()

    def act(channel):
        keep, channel.output = channel.output, elsewhere.send
        channel.send_payload(wire.varint(wire.PATH_CHALLENGE) + b"STRANGER")
        channel.output = keep

    code, _, words = with_echo(world, one, act)
    check(code == 0, words)
    check(not any(frame.kind == wire.PATH_RESPONSE for frame in one.channels[0].channel.log), "it is answered")
    elsewhere.close()


@case
def command_follows_a_key_phase(world):
    one = new_server(world)

    def act(channel):
        channel.phase = 1

    code, _, words = with_echo(world, one, act)
    check(code == 0, words)

#!/bin/bash
# SPDX-License-Identifier: ISC
# Errors as people meet them: the class, the cause, the next step, exit 255.
#
# `provokes` stands before each error of the table in sojourn.h that a command can
# meet; the others are in tests/unit/test_error_calls.c (tests/lint/errors.py).
. "$(dirname "$0")/common.sh"

expect 255 "$SOJOURN"
says err "sojourn: usage: no verb is given"
says err "  next: sojourn help"
expect 255 "$SOJOURN" frobnicate
says err 'sojourn: usage: "frobnicate" is not a verb'
for verb in login logout list open status doctor key agent version help; do
	expect 255 "$SOJOURN" $verb --frobnicate
	says err "sojourn: usage: $verb: --frobnicate is not an option"
	says err "  next: sojourn $verb --help"
	expect 255 "$SOJOURN" $verb -X
	says err "-X is not an option"
done
expect 255 "$SOJOURN" login
says err "needs one TARGET"
expect 255 "$SOJOURN" login --json=1 host
says err "takes no value"
expect 255 "$SOJOURN" login host -i
says err "-i needs a value"
expect 255 "$SOJOURN" login -o Something=yes host
says err "StrictHostKeyChecking=accept-new only"
expect 255 "$SOJOURN" login --timeout x host
says err "needs seconds"
for target in a@ @a 'host:' host:0 host:70000 ::1 '[::1' '[::1]x' 'a b'; do
	expect 255 "$SOJOURN" login -- "$target"
	says err "sojourn: usage: \"$target\" is not a target: "
	says err "  next: sojourn help"
done
expect 255 "$SOJOURN" login "$(printf 'a%.0s' {1..5000})"
says err "is not a target: its host"
expect 255 "$SOJOURN" open host
expect 255 "$SOJOURN" logout host --all
expect 255 "$SOJOURN" agent --run --stop
expect 255 "$SOJOURN" logout host
says err "sojourn: session: there is no login"
provokes SJ_ERR_ENDED 255 "$SOJOURN" status host

# a server that is not there
provokes SJ_ERR_UNREACHABLE 255 "$SOJOURN" login --timeout 1 -i /dev/null \
    127.0.0.1:9
provokes SJ_ERR_RESOLVE 255 "$SOJOURN" login --timeout 5 no-such-host.invalid

# one that has only versions of its own
python3 - 3>versions.port <<'X' &
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
os.write(3, b"%d\n" % s.getsockname()[1])
while True:
    hello, peer = s.recvfrom(2048)
    there, here = hello[5:13], hello[13:21]
    s.sendto(b"\xb0" + bytes(4) + here + there + b"\x12\x34\x56\x78" * 20, peer)
X
VERSIONS=$!
until_true test -s versions.port
provokes SJ_ERR_VERSION 255 "$SOJOURN" login --timeout 20 \
    "127.0.0.1:$(cat versions.port)"
kill "$VERSIONS"

start_server
# its key is not known, and there is nobody to ask
provokes SJ_ERR_KEY_UNKNOWN 255 setsid -w "$SOJOURN" login -i "$HOME/key" \
    "$TARGET" </dev/null
says err "$SERVER_KEY"
expect 0 "$SOJOURN" list
[ ! -s out ] || fail "a login in spite of it"
expect 0 "$SOJOURN" key known
[ ! -s out ] || fail "the key is known in spite of it"

# taken unasked when that is asked for, and known from then on
expect 0 setsid -w "$SOJOURN" login -o StrictHostKeyChecking=accept-new \
    -i "$HOME/key" "$TARGET" </dev/null
says err "; the server's key was trusted on first use"
expect 0 "$SOJOURN" list --json
says out '"unverified":true'
expect 0 "$SOJOURN" status
says out ", the server's key was trusted on first use"
expect 0 "$SOJOURN" status --json
says out '"unverified":true'
expect 0 "$SOJOURN" key known
says out "$SERVER_KEY"
expect 0 "$SOJOURN" logout --all
expect 0 setsid -w "$SOJOURN" login -i "$HOME/key" "$TARGET" </dev/null
! grep -q "trusted" err || fail "a known key is told to be trusted anew"
expect 0 "$SOJOURN" list --json
says out '"unverified":false'
expect 0 "$SOJOURN" status
! grep -q "trusted" out || fail "a known key is told to be trusted anew"
expect 0 "$SOJOURN" logout --all

# another key than the known one
provokes SJ_ERR_KEY_CHANGED 255 "$SOJOURN" login -i "$HOME/key" "$TARGET" \
    --server-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
says err "is not the pinned one"

# a key that the server does not take
"$SOJOURN" key new "$HOME/other" >/dev/null
provokes SJ_ERR_REFUSED 255 "$SOJOURN" login -i "$HOME/other" "$TARGET"
says err "refused"
mkdir folder
expect 255 "$SOJOURN" login -i folder "$TARGET"
says err "/folder: it is not a regular file"
# what names no key of a server; a file of those that is none
expect 255 "$SOJOURN" login -i "$HOME/key" --server-key bad "$TARGET"
says err "sojourn: usage: the server key is neither SHA256:... nor BASE64"
says err "  next: sojourn help"
expect 1 "$SOJOURN" doctor -i "$HOME/key" --server-key bad "$TARGET"
says err "sojourn: usage: key: the server key is neither SHA256:... nor BASE64"
says err "  next: sojourn help"
mv "$XDG_STATE_HOME/sojourn/known_hosts" away
mkdir "$XDG_STATE_HOME/sojourn/known_hosts"
provokes SJ_ERR_FILE 255 "$SOJOURN" login -i "$HOME/key" "$TARGET"
says err "$XDG_STATE_HOME/sojourn/known_hosts cannot be read: it is not a regular file"
rmdir "$XDG_STATE_HOME/sojourn/known_hosts"
mv away "$XDG_STATE_HOME/sojourn/known_hosts"
# no key at all
provokes SJ_ERR_NO_CREDENTIAL 255 "$SOJOURN" login "$TARGET"
# an application that is not there
provokes SJ_ERR_APPLICATION 255 "$SOJOURN" login -i "$HOME/key" \
    "$TARGET/nothing"

# the agent's directory is this user's alone
expect 0 "$SOJOURN" agent --stop
chmod 755 "$XDG_RUNTIME_DIR/sojourn"
provokes SJ_ERR_FILE 255 "$SOJOURN" login "$TARGET"
says err "mode 0700"
chmod 700 "$XDG_RUNTIME_DIR/sojourn"

# what goes wrong with a stream
expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET"
provokes SJ_ERR_SERVICE 255 "$SOJOURN" open "$TARGET" nothing </dev/null
provokes SJ_ERR_RESET 255 "$SOJOURN" open "$TARGET" break </dev/null
says err "code 77"
provokes SJ_ERR_TOO_BIG 255 "$SOJOURN" open "$TARGET" \
    "$(printf 'x%.0s' $(seq 256))" </dev/null
# another agent where one runs
NEXT='sojourn agent --stop'
provokes SJ_ERR_BUSY 255 "$SOJOURN" agent --run
NEXT=
# a login that ends under a command
mkfifo kept
exec 9<>kept
timeout 20 "$SOJOURN" open "$TARGET" echo <kept >kept.out 2>kept.err 9>&- &
OPEN=$!
echo there >&9
until_true test -s kept.out
expect 0 "$SOJOURN" logout "$TARGET"
wait "$OPEN" && fail "the login has ended and open is content"
exec 9>&-
said_of SJ_ERR_LOGGED_OUT kept.err
says kept.err "logged out"

# the other end of a copy says what means nothing, or goes away in the middle
echo something >something
for files in source over; do
	kill "$SERVER_PID"
	wait "$SERVER_PID" 2>/dev/null
	FILES=$files start_server
	expect 0 "$SOJOURN" login -o StrictHostKeyChecking=accept-new \
	    -i "$HOME/key" "$TARGET"
	case $files in
	source) provokes SJ_ERR_PROTOCOL 255 "$SOJOURN" copy -P "$PORT" \
	    something 127.0.0.1: ;;
	over) provokes SJ_ERR_STREAM_LOST 255 "$SOJOURN" copy -P "$PORT" \
	    something 127.0.0.1: ;;
	esac
	expect 0 "$SOJOURN" logout --all
done

# an agent that is killed: nobody hangs, the next one starts
expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET"
mkfifo held
exec 9<>held
timeout 20 "$SOJOURN" open "$TARGET" echo <held >open.out 2>open.err 9>&- &
OPEN=$!
echo there >&9
until_true test -s open.out
# whoever has its lock open
AGENT=
for fd in /proc/[0-9]*/fd/*; do
	[ "$(readlink "$fd")" != "$XDG_RUNTIME_DIR/sojourn/agent.lock" ] ||
		AGENT=$(echo "$fd" | cut -d/ -f3)
done 2>/dev/null
[ -n "$AGENT" ] || fail "no agent has the lock"
kill -KILL "$AGENT"
wait "$OPEN" && fail "the agent is gone and open is content"
exec 9>&-
says open.err "the agent has ended"
expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET"

# a logout that the server has not heard of is not called one
expect 0 "$SOJOURN" logout --all
expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET"
kill -KILL "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
SERVER_PID=
expect 255 timeout 20 "$SOJOURN" logout "$TARGET"
says err "sojourn: network: logged out here; the server did not answer"
expect 0 "$SOJOURN" list
[ ! -s out ] || fail "still listed"
echo ok

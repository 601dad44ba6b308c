#!/bin/bash
# SPDX-License-Identifier: ISC
# Errors as people meet them: the class, the cause, the next step, exit 255.
#
# Of the table in sojourn.h no command can provoke yet:
#   CLOCK, UDP_BLOCKED, CREDENTIAL_GONE, DEADLINE  nothing returns them
#   VERSION   only the agent says it, to a command of another version
#   PROTOCOL  needs a peer that breaks the protocol
#   MEMORY    needs a heap that is full
#   STATE     would be a mistake of the command's own
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
	says err "is not a target"
done
expect 255 "$SOJOURN" open host
expect 255 "$SOJOURN" logout host --all
expect 255 "$SOJOURN" agent --run --stop
expect 255 "$SOJOURN" logout host
says err "sojourn: session: there is no login"
expect 255 "$SOJOURN" status host
says err "sojourn: session: "

# a server that is not there
expect 255 "$SOJOURN" login --timeout 1 -i /dev/null 127.0.0.1:9
says err "sojourn: "
says err "  next: "
expect 255 "$SOJOURN" login --timeout 5 no-such-host.invalid
says err "sojourn: network: "

start_server
# its key is not known, and there is nobody to ask
expect 255 setsid -w "$SOJOURN" login -i "$HOME/key" "$TARGET" </dev/null
says err "sojourn: login: "
says err "$SERVER_KEY"
expect 0 "$SOJOURN" list
[ ! -s out ] || fail "a login in spite of it"
expect 0 "$SOJOURN" key known
[ ! -s out ] || fail "the key is known in spite of it"

# taken unasked when that is asked for, and known from then on
expect 0 setsid -w "$SOJOURN" login -o StrictHostKeyChecking=accept-new \
    -i "$HOME/key" "$TARGET" </dev/null
expect 0 "$SOJOURN" key known
says out "$SERVER_KEY"
expect 0 "$SOJOURN" logout --all
expect 0 setsid -w "$SOJOURN" login -i "$HOME/key" "$TARGET" </dev/null
expect 0 "$SOJOURN" logout --all

# another key than the known one
expect 255 "$SOJOURN" login -i "$HOME/key" "$TARGET" \
    --server-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
says err "sojourn: login: "
says err "is not the pinned one"

# a key that the server does not take
"$SOJOURN" key new "$HOME/other" >/dev/null
expect 255 "$SOJOURN" login -i "$HOME/other" "$TARGET"
says err "sojourn: login: "
says err "refused"
# no key at all
expect 255 "$SOJOURN" login "$TARGET"
says err "sojourn: login: "
says err "key"

# the agent's directory is this user's alone
expect 0 "$SOJOURN" agent --stop
chmod 755 "$XDG_RUNTIME_DIR/sojourn"
expect 255 "$SOJOURN" login "$TARGET"
says err "sojourn: local: "
says err "mode 0700"
chmod 700 "$XDG_RUNTIME_DIR/sojourn"

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

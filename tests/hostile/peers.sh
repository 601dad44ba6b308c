#!/bin/bash
# SPDX-License-Identifier: ISC
# Peers that are not who they should be, and peers that say or read nothing: the
# real server, the real command, real sockets.
. "$(dirname "$0")/common.sh"
MEMORY_KB=65536                         # of a process that has one idle stream

program() {	# NAME: from stdin
	cat >"$1"
	chmod +x "$1"
}

case_wrong_key_and_user() {
	start_server
	new_key other
	# what it says of user and key the client knows itself
	refused() {	# WORDS...
		expect 255 "$SOJOURN" login --no-agent $FIRST "$@"
		says err "sojourn: login: "
		sed 's/refused .* with key .*/refused/' err >>refusals
	}
	refused -i other "$TARGET"
	refused "someone@$TARGET"
	refused -i other "someone@$TARGET"
	[ "$(sort -u refusals | wc -l)" = 2 ] ||
	    fail "a refusal tells what was wrong: $(cat refusals)"
	grep -q 'refused$' refusals || fail "not refused: $(cat refusals)"
	! logged " login session" || fail "let in"
	expect 255 "$SOJOURN" login --no-agent $FIRST "$TARGET/other"
	expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
}

case_wrong_server() {
	start_server
	expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	expect 255 "$SOJOURN" login --no-agent "$TARGET" \
	    --server-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
	says err "is not the pinned one"
	stop_server
	mv "$XDG_STATE_HOME/sojourn/host.key" old.key
	: >server.log
	start_server
	expect 255 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	says err "CHANGED"
	expect 255 "$SOJOURN" copy --no-agent $FIRST -P "$PORT" old.key \
	    127.0.0.1:stolen
	says err "CHANGED"
	[ ! -e "$HOME/stolen" ] || fail "given to another server"
	! logged " login session" || fail "logged in to another server"
}

# Memory of a process, at its most, once that stays the same.
most_kb() {	# PID
	local now before=
	for i in $(seq 100); do
		now=$(sed -n 's/VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status")
		[ "$now" != "$before" ] || break
		before=$now
		sleep 0.4
	done
	echo "$now"
}

agent_pid() {
	local fd
	for fd in /proc/[0-9]*/fd/*; do
		[ "$(readlink "$fd")" != "$XDG_RUNTIME_DIR/sojourn/agent.lock" ] ||
			echo "$fd" | cut -d/ -f3
	done 2>/dev/null | head -n 1
}

bounded() {
	local net agent
	net=$(most_kb "$NET_PID")
	agent=$(most_kb "$(agent_pid)")
	echo "  net $net kB, agent $agent kB"
	[ "$net" -lt $MEMORY_KB ] && [ "$agent" -lt $MEMORY_KB ] ||
	    fail "what nobody reads is kept: net $net kB, agent $agent kB"
	# everybody else is served
	expect 0 "$SOJOURN" list --server
	echo hello >word
	limited "$SOJOURN" open "$TARGET" echo <word >out 2>err
	cmp word out || fail "others are not served"
}

case_deaf_service() {
	program echo <<-'Y'
	#!/bin/sh
	exec cat
	Y
	program deaf <<-'Y'
	#!/bin/sh
	exec sleep 1000
	Y
	start_server --service echo=exec:./echo --service deaf=exec:./deaf
	expect 0 "$SOJOURN" login $FIRST "$TARGET"
	for i in 1 2 3; do
		timeout 60 "$SOJOURN" open "$TARGET" deaf </dev/zero \
		    >/dev/null 2>&1 &
	done
	until_true logged "service-started"
	bounded
}

case_deaf_client() {
	program echo <<-'Y'
	#!/bin/sh
	exec cat
	Y
	program endless <<-'Y'
	#!/bin/sh
	exec cat /dev/zero
	Y
	start_server --service echo=exec:./echo --service endless=exec:./endless
	expect 0 "$SOJOURN" login $FIRST "$TARGET"
	mkfifo unread
	exec 9<>unread
	for i in 1 2 3; do
		timeout 60 "$SOJOURN" open "$TARGET" endless </dev/null \
		    >unread 2>/dev/null 9>&- &
	done
	until_true logged "service-started"
	bounded
	exec 9>&-
}

# It has the port, and never says a word; or it takes a login, and no more.
case_silent_server() {
	python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(100)' >silent.out &
	until_true test -s silent.out
	expect 255 "$SOJOURN" login --no-agent --timeout 1 $FIRST \
	    "127.0.0.1:$(cat silent.out)"
	says err "no answer from the server"
	head -c 3000000 /dev/zero >big
	copyist <<-Y
	heard 1000000
	Y
	for source in "127.0.0.1:x ." "-r 127.0.0.1:x ." "big 127.0.0.1:x"; do
		timeout --foreground -k 5 -s TERM 3 $COPY $source >out 2>err
		[ $? = 124 ] || fail "it did not wait, or did not end: $(cat err)"
		[ ! -e x ] || fail "something came of it"
	done
	no_rests .
	copyist_ends
}

cases "$@"

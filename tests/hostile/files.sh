#!/bin/bash
# SPDX-License-Identifier: ISC
# Files that are not what they should be: nobody may read them, they are
# directories, FIFOs, devices, links to nothing or to themselves, junk, or larger
# than anything of their kind. Whoever needs them says so by name, in time, and
# does nothing without them.
. "$(dirname "$0")/common.sh"
KINDS='forbidden directory fifo device dangling loop junk huge'

make() {	# KIND FILE
	chmod -R u+rwX "$2" 2>/dev/null
	rm -rf "$2"
	case $1 in
	forbidden) echo x >"$2"; chmod 0 "$2" ;;
	directory) mkdir -m 700 "$2" ;;
	fifo) mkfifo -m 600 "$2" ;;
	device) ln -s /dev/zero "$2" ;;
	dangling) ln -s nowhere "$2" ;;
	loop) ln -s "$(basename "$2")" "$2" ;;
	junk) head -c 5000 /dev/urandom >"$2"; chmod 600 "$2" ;;
	huge) truncate -s 64G "$2"; chmod 600 "$2" ;;
	esac
}

# An error of the command, which names the file.
complains() {	# FILE KIND COMMAND...
	local file=$1 kind=$2
	shift 2
	limited "$@" >out 2>err
	[ $? = 255 ] || fail "$kind: not 255: $* $(cat out err)"
	says err "sojourn: "
	says err "  next: "
	says err "$file"
	no_controls err
}

case_key() {
	local kind
	start_server
	for kind in $KINDS; do
		make $kind bad
		complains bad $kind "$SOJOURN" login --no-agent $FIRST -i bad \
		    "$TARGET"
	done
	! logged ' login ' || fail "a login without a key"
}

case_known_hosts() {
	local kind file=$XDG_STATE_HOME/sojourn/known_hosts
	start_server
	for kind in forbidden directory fifo device loop huge; do
		make $kind "$file"
		complains known_hosts $kind "$SOJOURN" login --no-agent \
		    $FIRST "$TARGET"
	done
	! logged ' login ' || fail "a login without looking for the key"
	# what says nothing about this server: its key is not known
	for kind in dangling junk; do
		make $kind "$file"
		expect 255 setsid -w "$SOJOURN" login --no-agent "$TARGET" \
		    </dev/null
		says err "$SERVER_KEY"
		expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
		expect 0 setsid -w "$SOJOURN" login --no-agent "$TARGET" \
		    </dev/null
	done
	# another key for it, and a line that was cut
	echo "[127.0.0.1]:$PORT sojourn-x25519 $(head -c 32 /dev/urandom |
	    base64)" >"$file"
	expect 255 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	says err "CHANGED"
	printf '%s' "[127.0.0.1]:$PORT sojourn-x25519 AAAA" >"$file"
	expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	[ "$(wc -l <"$file")" = 2 ] || fail "a line was added to another"
}

case_authorized_keys() {
	local kind file=$HOME/.ssh/authorized_keys
	start_server
	expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	for kind in $KINDS; do
		make $kind "$file"
		: >server.log
		limited "$SOJOURN" login --no-agent "$TARGET" >out 2>err
		[ $? = 255 ] || fail "$kind: let in"
		says err "refused"
		! grep -q authorized_keys err || fail "told to a stranger"
		logged "login-refused" || fail "$kind: nobody knows why"
	done
	make junk "$file"
	cat "$HOME/.ssh/id_ed25519.pub" >"$file.good"
	(cat "$file"; echo; cat "$file.good") >"$file.both"
	mv "$file.both" "$file"
	chmod 600 "$file"
	expect 0 "$SOJOURN" login --no-agent "$TARGET"
	no_controls server.log
}

case_config() {
	local kind
	for kind in $KINDS; do
		make $kind bad
		complains bad $kind "$SOJOURN" serve --listen 127.0.0.1:0 \
		    --config bad
	done
}

case_host_key() {
	local kind
	for kind in forbidden directory fifo device loop junk huge; do
		make $kind bad
		complains bad $kind "$SOJOURN" serve --listen 127.0.0.1:0 \
		    --host-key bad
	done
	# others may read it; there is nowhere to put a new one
	"$SOJOURN" serve --check --host-key good >/dev/null 2>&1
	mkdir closed
	chmod 500 closed
	complains closed/key "no room" "$SOJOURN" serve \
	    --listen 127.0.0.1:0 --host-key closed/key
	[ -z "$(ls closed)" ] || fail "a key was made"
}

case_store() {
	local kind
	for kind in forbidden directory fifo device loop junk; do
		make $kind bad
		complains bad $kind "$SOJOURN" serve --listen 127.0.0.1:0 \
		    --store bad
	done
}

cases "$@"

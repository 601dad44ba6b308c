# SPDX-License-Identifier: ISC
# Sourced by the tests of hostile input with the real program: cases are
# functions case_NAME, run by `cases "$@"`, all of them or those that are named.
# Each begins without a server and with an empty home but for a key.
set -u
BESIDE=e2e
LIMIT_S=${LIMIT_S:-240}
PROGRAMS=COPYIST
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/common.sh"
FIRST='-o StrictHostKeyChecking=accept-new'


# Nothing of the case before is left, and it made no sanitizer speak.
empty_home() {
	limited "$SOJOURN" agent --stop
	[ -z "$(jobs -p)" ] || { kill $(jobs -p); wait; } 2>/dev/null
	if grep -s -A 20 'runtime error:\|Sanitizer' "$WORK"/*.log "$WORK"/err >&2
	then
		fail "a sanitizer spoke"
	fi
	chmod -R u+rwX "$WORK"
	find "$WORK" -mindepth 1 -maxdepth 1 ! -name run -exec rm -rf {} +
	mkdir -m 700 "$HOME" "$HOME/.ssh" "$XDG_STATE_HOME"
	new_key "$HOME/.ssh/id_ed25519"
	cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
	chmod 600 "$HOME/.ssh/authorized_keys"
}

cases() {
	local name run=0
	for name in ${*:-$(sed -n 's/^case_\([a-z_0-9]*\)() {$/\1/p' "$0")}; do
		echo "$name"
		empty_home
		PORT=
		"case_$name"
		[ -z "$SERVER_PID" ] || stop_server
		run=$((run + 1))
	done
	[ "$run" -gt 0 ] || fail "there are no cases"
	echo "$run held"
}

# A server that says in a copy what the script on stdin lets it; sets PORT,
# SERVER_KEY and COPY, which copies from and to it.
copyist() {
	cat >script
	: >copyist.out
	"$COPYIST" serve copyist.key "$HOME/.ssh/authorized_keys" script \
	    >copyist.out 2>copyist.log &
	COPYIST_PID=$!
	until_true test -s copyist.out
	read -r PORT SERVER_KEY <copyist.out
	COPY="$SOJOURN copy --no-agent --server-key $SERVER_KEY -P $PORT"
}

copyist_ends() {
	kill "$COPYIST_PID" || fail "the other end is gone"
	wait "$COPYIST_PID" 2>/dev/null
}

# The script on stdin said by a client; what it heard is in out.
goes() {	# CODE
	cat >script
	expect "$1" "$COPYIST" go "$ME@$TARGET" "$HOME/.ssh/id_ed25519" \
	    "$SERVER_KEY" script
}

# Nothing on a terminal but text: no controls (C1, too), no marks of the
# direction of writing, nothing that is no UTF-8.
no_controls() {	# FILE
	iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 &&
	    ! LC_ALL=C grep -qa $'[\001-\010\013\014\016-\037\177]' "$1" &&
	    ! LC_ALL=C grep -qa $'\xc2[\x80-\x9f]' "$1" &&
	    ! LC_ALL=C grep -qa $'\xe2\x80[\x8e\x8f\xaa-\xae]' "$1" ||
	    { cat -v "$1" >&2; fail "control characters in $1"; }
}

no_rests() {	# DIRECTORY...
	[ -z "$(find "$@" -name '.sojourn-*')" ] || fail "temporary files in $*"
}

# SPDX-License-Identifier: ISC
# Sourced by the end-to-end tests: the real server and the real command, each
# with a home of its own, on loopback. SOJOURN names the program; see stage.sh.
set -u
. "$(dirname "${BASH_SOURCE[0]}")/../stage.sh"

# TRACE=1: what it does, without disturbing what it looks at
[ -z "${TRACE:-}" ] || { exec 7>&2; BASH_XTRACEFD=7; set -x; }
WORK=$(mktemp -d)
export HOME="$WORK/home" XDG_RUNTIME_DIR="$WORK/run" \
    XDG_STATE_HOME="$WORK/state" LC_ALL=C TZ=UTC
unset SSH_AUTH_SOCK XDG_CONFIG_HOME
mkdir -m 700 "$HOME" "$HOME/.ssh" "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME"
SERVER_PID=
ME=$(id -un)
cd "$WORK" || exit 1

cleanup() {
	local code=$?
	timeout --foreground -k 1 10 "$SOJOURN" agent --stop
	[ -z "$SERVER_PID" ] || kill "$SERVER_PID" 2>/dev/null
	if grep -qs 'runtime error:\|Sanitizer' "$WORK"/*.log; then
		grep -s -A 20 'runtime error:\|Sanitizer' "$WORK"/*.log >&2
		code=1
	fi
	[ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null
	cd / && rm -rf "$WORK"
	exit $code
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "FAILED: $*" >&2
	[ ! -f "$WORK/server.log" ] || tail -n 30 "$WORK/server.log" >&2
	exit 1
}

# A hanging command is a failure, not a wait.
limited() { timeout --foreground -k 1 30 "$@"; }

# expect CODE COMMAND...: runs it with a time limit; output in out and err.
expect() {
	local code want=$1
	shift
	limited "$@" >out 2>err
	code=$?
	[ "$code" = "$want" ] || {
		cat out err >&2
		fail "exit $code, not $want: $*"
	}
}

says() {	# FILE TEXT
	grep -qF -- "$2" "$1" || {
		cat "$1" >&2
		fail "$1 does not say: $2"
	}
}

# Until a command succeeds, at most ten seconds.
until_true() {
	local i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -lt 100 ] || fail "never true: $*"
		sleep 0.1
	done
}

gone() { ! kill -0 "$1" 2>/dev/null; }
logged() { grep -qF -- "$1" "$WORK/server.log"; }

new_key() {	# FILE
	"$SOJOURN" key new -q "$1" >/dev/null || fail "key new"
}

# Starts the server with more options; sets PORT, SERVER_KEY, TARGET,
# SERVER_PID, NET_PID.
start_server() {
	: >server.out
	"$SOJOURN" serve --json -v --listen "127.0.0.1:${PORT:-0}" "$@" \
	    >server.out 2>>server.log &
	SERVER_PID=$!
	until_true listening
	PORT=$(sed 's/.*"port":\([0-9]*\).*/\1/' server.out)
	SERVER_KEY=$(sed 's/.*"key":"\([^"]*\)".*/\1/' server.out)
	NET_PID=$(sed -n 's/.* listening .* net=\([0-9]*\)$/\1/p' server.log |
	    tail -n 1)
	TARGET="127.0.0.1:$PORT"
}

listening() {
	kill -0 "$SERVER_PID" 2>/dev/null || fail "the server does not start"
	[ -s server.out ]
}

stop_server() {
	kill "$SERVER_PID"
	wait "$SERVER_PID"
	code=$?
	SERVER_PID=
	[ "$code" = 0 ] || fail "the server ends with $code"
}

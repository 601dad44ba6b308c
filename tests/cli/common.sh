# SPDX-License-Identifier: ISC
# Sourced by the tests of the command. SOJOURN and TESTD name the programs.
# Everything happens in a directory of its own, with a home of its own, and
# nothing is left running.
set -u
WORK=$(mktemp -d)
export HOME="$WORK/home" XDG_RUNTIME_DIR="$WORK/run" \
    XDG_STATE_HOME="$WORK/state" LC_ALL=C TZ=UTC
unset SSH_AUTH_SOCK
mkdir -m 700 "$HOME" "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME"
SERVER_PID=
ME=$(id -un)
ERRORS=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../docs" && pwd)/errors.md
cd "$WORK" || exit 1

cleanup() {
	"$SOJOURN" agent --stop
	[ -z "$SERVER_PID" ] || kill "$SERVER_PID"
	cd / && rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# expect CODE COMMAND...: runs it with a time limit; output in out and err.
expect() {
	local code want=$1
	shift
	timeout 60 "$@" >out 2>err
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

# provokes NAME CODE COMMAND...: as expect; and what is said is of the class and
# has the next step that docs/errors.md has for the error of that name, or NEXT,
# where the command knows better.
provokes() {
	local name=$1
	shift
	expect "$@"
	said_of "$name" err
}

said_of() {	# NAME FILE
	local row class next
	row=$(grep "^| $1 |" "$ERRORS") || fail "$1 is no error"
	class=$(sed -n "/^## /h; /^| $1 |/{ x; s/^## \([a-z]*\):.*/\1/p }" "$ERRORS")
	next=${NEXT:-$(echo "$row" | sed 's/ |$//; s/.* | //')}
	says "$2" "sojourn: $class: "
	says "$2" "  next: $next"
}

# Until a command succeeds, at most ten seconds.
until_true() {
	local i=0
	until "$@"; do
		i=$((i + 1))
		[ $i -lt 200 ] || fail "never true: $*"
		sleep 0.05
	done
}

# Starts testd; sets PORT and SERVER_KEY.
start_server() {
	mkdir -m 700 -p server
	rm -f server/out
	[ -e "$HOME/key" ] || "$SOJOURN" key new -q "$HOME/key" >/dev/null ||
	    fail "key new"
	cp "$HOME/key.pub" server/authorized_keys
	chmod 600 server/authorized_keys
	"$TESTD" server/host.key server/authorized_keys ${FILES:-} >server/out &
	SERVER_PID=$!
	until_true test -s server/out
	read -r PORT SERVER_KEY <server/out
	[ -n "${SERVER_KEY:-}" ] || fail "the server does not start"
	TARGET="127.0.0.1:$PORT"
}

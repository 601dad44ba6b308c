#!/bin/bash
# SPDX-License-Identifier: ISC
# The real program against the oracle, see oracle.py; arguments choose cases.
# SOJOURN names the program. As root the test goes on as an unprivileged user in
# network and process namespaces of its own, with copies of all it needs: the
# tree may be in a place others cannot enter. A test that takes longer than
# LIMIT_S is ended with all it started.
set -u
LIMIT_S=${LIMIT_S:-400}
PYTHON=${PYTHON:-/usr/bin/python3}
HERE=$(cd "$(dirname "$0")" && pwd)
"$PYTHON" -c 'import cryptography' 2>/dev/null || {
	echo "skipped: python3-cryptography is not installed"
	exit 77
}

if [ "$(id -u)" = 0 ]; then
	STAGE=$(mktemp -d)
	trap 'rm -rf "$STAGE"' EXIT
	cp -r "$HERE" "$STAGE/interop"
	cp -r "$HERE/../vectors" "$STAGE/vectors"
	mkdir "$STAGE/bin"
	cp "$SOJOURN" "$(dirname "$SOJOURN")"/*.so.? "$STAGE/bin"
	chmod -R a+rX "$STAGE"
	space=
	unshare -n true 2>/dev/null && space='unshare -n'
	unshare -n -p -f --kill-child --mount-proc true 2>/dev/null &&
	    space='unshare -n -p -f --kill-child --mount-proc'
	timeout -k 5 "$LIMIT_S" $space \
	    sh -c '[ "$0" = none ] || ip link set lo up; "$@"' \
	    "${space:-none}" setpriv --reuid 65534 --regid 65534 \
	    --clear-groups env SOJOURN="$STAGE/bin/sojourn" GUARDED=1 \
	    LD_LIBRARY_PATH="$STAGE/bin" PYTHONDONTWRITEBYTECODE=1 \
	    bash "$STAGE/interop/$(basename "$0")" "$@"
	code=$?
	[ "$code" != 124 ] || echo "FAILED: not done in $LIMIT_S s" >&2
	exit "$code"
fi
if [ -z "${GUARDED:-}" ]; then
	GUARDED=1 exec timeout -k 5 "$LIMIT_S" bash "$0" "$@"
fi

WORK=$(mktemp -d)
cleanup() {
	[ -z "$(jobs -p)" ] || kill $(jobs -p) 2>/dev/null
	if grep -qs 'runtime error:\|Sanitizer' "$WORK/server.log"; then
		grep -s -A 20 'runtime error:\|Sanitizer' "$WORK/server.log" >&2
		CODE=1
	fi
	if [ "${CODE:-1}" != 0 ] && [ -f "$WORK/server.log" ]; then
		grep -v ' log-limited \| login\| ended \| service-' "$WORK/server.log" |
		    tail -n 20 >&2
	fi
	cd / && rm -rf "$WORK"
	exit "${CODE:-1}"
}
trap cleanup EXIT
trap 'exit 1' INT TERM
export PYTHONDONTWRITEBYTECODE=1
"$PYTHON" "$HERE/oracle.py" "$(realpath "$SOJOURN")" "$WORK" "$@"
CODE=$?

#!/bin/bash
# SPDX-License-Identifier: ISC
# The real program against the oracle, see oracle.py; arguments choose cases.
# SOJOURN names the program; see stage.sh.
set -u
LIMIT_S=${LIMIT_S:-400}
PYTHON=${PYTHON:-/usr/bin/python3}
BESIDE=vectors
HERE=$(cd "$(dirname "$0")" && pwd)
"$PYTHON" -c 'import cryptography' 2>/dev/null || {
	echo "skipped: python3-cryptography is not installed"
	exit 77
}
. "$HERE/../stage.sh"

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

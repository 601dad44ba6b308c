#!/bin/bash
# SPDX-License-Identifier: ISC
# With a library that gets a byte wrong every bench fails, and says of what: none
# of them counts bytes that nobody looks at. BUILD: the build directory; FLIPPED:
# that library.
set -u
NAMES="bulk handshake requests streams memory"
if [ "$(id -u)" = 0 ] && [ -c /dev/net/tun ]; then
	NAMES="$NAMES hol warm first lossy fairness"
fi
OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT
for name in $NAMES; do
	LD_LIBRARY_PATH=$(dirname "$FLIPPED"):$BUILD/src timeout 60 python3 \
	    "$(dirname "$0")/bench.py" "$name" --check --build "$BUILD" >"$OUT" 2>&1
	code=$?
	[ $code != 77 ] || exit 77
	[ $code = 1 ] && grep -q '^bench: ' "$OUT" || {
		cat "$OUT"
		echo "FAILED: $name: exit $code with a byte that is wrong"
		exit 1
	}
	echo "$name: $(tail -n 1 "$OUT")"
done

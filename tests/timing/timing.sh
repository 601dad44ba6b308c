#!/bin/bash
# SPDX-License-Identifier: ISC
# timing.sh PROGRAM LEAK: none has to pass under valgrind; what is wrong on
# purpose has to be reported, by its name.
set -u
OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT
leak=$2
[ "$leak" != none ] || leak=
valgrind --quiet --error-exitcode=99 --num-callers=8 \
    --suppressions="$(dirname "$0")/libcrypto.supp" "$1" $leak >"$OUT" 2>&1
code=$?
case $2 in
none) want=0 word='key files' ;;
branch) want=99 word=leak_branch ;;
index) want=99 word=leak_index ;;
equal) want=99 word=__wrap_sj__equal ;;
wire) want=1 word='a secret is on the wire' ;;
esac
if [ "$code" = "$want" ] && grep -q -- "$word" "$OUT"; then
	exit 0
fi
cat "$OUT"
echo "FAILED: exit $code, not $want, or no word of: $word"
exit 1

#!/bin/bash
# SPDX-License-Identifier: ISC
# Help: on stdout, exit 0, the same by both ways.
. "$(dirname "$0")/common.sh"

expect 0 "$SOJOURN" help
cp out all
[ ! -s err ] || fail "words on stderr"
expect 0 "$SOJOURN" --help
cmp out all || fail "--help differs from help"
VERBS=$(sed -n 's/^  \([a-z]*\) .*/\1/p' all)
for verb in login logout list open copy forward status doctor key agent version \
    help; do
	case " "$VERBS" " in *"$verb"*) ;; *) fail "no $verb" ;; esac
done
for verb in $VERBS; do
	says all "  $verb "
	expect 0 "$SOJOURN" $verb --help
	says out "usage: sojourn $verb"
	says out "--no-agent"
	cp out one
	expect 0 "$SOJOURN" help $verb
	cmp out one || fail "help $verb differs"
done
expect 255 "$SOJOURN" help frobnicate
expect 0 "$SOJOURN" version
grep -qx 'sojourn [0-9.]*' out || fail "version"
expect 0 "$SOJOURN" -V
expect 0 "$SOJOURN" version --json
grep -qx '{"version":"[0-9.]*"}' out || fail "version --json"
"$SOJOURN" help >/dev/full 2>err && fail "a full disk is no error"
says err "cannot write to stdout"
echo ok

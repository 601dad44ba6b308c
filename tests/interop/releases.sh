#!/bin/bash
# SPDX-License-Identifier: ISC
# The last two releases (tags v*) and this tree log in to each other. The
# program of a release is built once, into build/releases; then
# tests/e2e/talk.sh goes on. SOJOURN names the program of this tree.
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd -P)
skip() {
	echo "SKIPPED: $*"
	exit 77
}
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
# The tree may belong to somebody else than who tests it.
in_tree() { git -c safe.directory='*' -C "$ROOT" "$@"; }

command -v git >/dev/null || skip "there is no git"
[ "$(in_tree rev-parse --show-toplevel 2>/dev/null)" = "$ROOT" ] ||
    skip "the tree is no clone"
TAGS=$(in_tree tag --list 'v[0-9]*' --sort=-version:refname | head -n 2)
[ -n "$TAGS" ] || skip "no release is tagged here"

# copy_libraries FROM TO: of the links, what is not built leads nowhere
copy_libraries() {
	local name
	for name in "$1"/*.so.?; do
		[ ! -e "$name" ] || cp "$name" "$2" || return 1
	done
}

# build TAG: build/releases/TAG/sojourn and its libraries, unless they are there
# from that commit
build() {
	local at="$ROOT/build/releases/$1" commit
	commit=$(in_tree rev-parse "$1^{commit}") || fail "$1: no commit"
	[ "$(cat "$at/commit" 2>/dev/null)" != "$commit" ] || return 0
	echo "building $1"
	rm -rf "$at"
	mkdir -p "$at/source" &&
	    in_tree archive "$commit" | tar -x -C "$at/source" &&
	    meson setup "$at/build" "$at/source" --buildtype release \
		>"$at/log" 2>&1 &&
	    ninja -C "$at/build" src/sojourn >>"$at/log" 2>&1 &&
	    cp "$at/build/src/sojourn" "$at" &&
	    copy_libraries "$at/build/src" "$at" || {
		tail -n 20 "$at/log" >&2
		fail "$1 does not build"
	}
	rm -rf "$at/source" "$at/build"
	echo "$commit" >"$at/commit"
}

mkdir -p "$ROOT/build/releases"
exec 8>"$ROOT/build/releases/lock"
flock 8
RELEASES=$(mktemp -d)
trap 'rm -rf "$RELEASES"' EXIT
for tag in $TAGS; do
	build "$tag"
	mkdir "$RELEASES/$tag"
	cp "$ROOT/build/releases/$tag/sojourn" "$RELEASES/$tag"
	copy_libraries "$ROOT/build/releases/$tag" "$RELEASES/$tag"
done
exec 8>&-
chmod -R a+rX "$RELEASES"
export RELEASES
bash "$ROOT/tests/e2e/talk.sh"

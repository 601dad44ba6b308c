#!/bin/bash
# SPDX-License-Identifier: ISC
# Keys: made, shown, as ssh-keygen sees them.
. "$(dirname "$0")/common.sh"

expect 0 "$SOJOURN" key new "$WORK/key"
says out "ssh-ed25519"
[ "$(stat -c %a key)" = 600 ] || fail "the mode of the private key"
FINGERPRINT=$(cut -d' ' -f1 out)
expect 0 "$SOJOURN" key show key
says out "$FINGERPRINT"
expect 0 "$SOJOURN" key show key.pub
says out "$FINGERPRINT"
expect 255 "$SOJOURN" key new "$WORK/key"
says err "File exists"
expect 0 "$SOJOURN" key new
says out "$HOME/.ssh/id_ed25519"

if command -v ssh-keygen >/dev/null; then
	ssh-keygen -l -f key.pub | grep -qF "$FINGERPRINT" ||
	    fail "ssh-keygen sees another fingerprint"
	ssh-keygen -y -f key >derived || fail "ssh-keygen cannot read it"
	[ "$(cut -d' ' -f1-2 derived)" = "$(cut -d' ' -f1-2 key.pub)" ] ||
	    fail "the two halves differ"
	ssh-keygen -q -t ed25519 -N secret -f locked
	expect 0 "$SOJOURN" key show locked
	says out "$(ssh-keygen -l -f locked.pub | cut -d' ' -f2)"
fi

echo "not a key" >nothing
expect 255 "$SOJOURN" key show nothing
says err "holds no key"
expect 255 "$SOJOURN" key show missing
says err "missing: No such file"
expect 255 "$SOJOURN" key show
says err "sojourn: local: "
expect 255 "$SOJOURN" key
expect 255 "$SOJOURN" key frobnicate

start_server
expect 0 "$SOJOURN" key show --json server/host.key
says out "\"fingerprint\":\"$SERVER_KEY\""
echo ok

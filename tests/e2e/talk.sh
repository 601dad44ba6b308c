#!/bin/bash
# SPDX-License-Identifier: ISC
# Programs of several releases log in to each other, each to each. RELEASES: a
# directory of directories, in each the program of a release and its libraries;
# SOJOURN: that of this tree. See tests/interop/releases.sh.
. "$(dirname "$0")/common.sh"
# each with the libraries beside it
unset LD_LIBRARY_PATH
cp -r "$RELEASES" programs
PRESENT=$SOJOURN
for program in programs/*/sojourn; do
	"$program" version >out 2>&1 || fail "$program does not run: $(cat out)"
done

# as GENERATION: SOJOURN is its program from here on
as() {
	SOJOURN=$PRESENT
	[ "$1" = present ] || SOJOURN="$WORK/programs/$1/sojourn"
}

# talk SERVER CLIENT: the first login does not know the server's key
talk() {
	rm -rf "$HOME" "$XDG_STATE_HOME/sojourn"
	mkdir -m 700 "$HOME" "$HOME/.ssh"
	as "$2"
	new_key "$HOME/.ssh/id_ed25519"
	cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
	chmod 600 "$HOME/.ssh/authorized_keys"
	PORT=
	as "$1"
	start_server --service echo=exec:/bin/cat
	as "$2"
	for known in no yes; do
		expect 0 "$SOJOURN" login \
		    -o StrictHostKeyChecking=accept-new "$TARGET"
		limited "$SOJOURN" open "$TARGET" echo <bytes >back ||
		    fail "server $1, client $2: bytes"
		cmp -s bytes back ||
		    fail "server $1, client $2: what came back differs"
		expect 0 "$SOJOURN" copy -P "$PORT" bytes 127.0.0.1:there
		expect 0 "$SOJOURN" copy -P "$PORT" 127.0.0.1:there here
		cmp -s bytes here || fail "server $1, client $2: a copy differs"
		expect 0 "$SOJOURN" list --server "$TARGET"
		expect 0 "$SOJOURN" logout --all
		expect 0 "$SOJOURN" agent --stop
	done
	[ "$(grep -c 'login session=' server.log)" = 2 ] ||
	    fail "server $1, client $2: not two logins"
	stop_server
	rm server.log
	echo "server $1, client $2: ok"
}

head -c 3000000 /dev/urandom >bytes
ALL="present $(ls programs)"
for server in $ALL; do
	for client in $ALL; do
		[ "$server" = "$client" ] || talk "$server" "$client"
	done
done
echo ok

#!/bin/bash
# SPDX-License-Identifier: ISC
# The doctor and the real server: users, and a server that has gone.
. "$(dirname "$0")/common.sh"
new_key "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
start_server
PIN="--server-key $SERVER_KEY"
step() {	# STATE NAME TEXT: a line of out
	grep -qE -- "^$1 +$2 +.*$3" out || {
		cat out err >&2
		fail "step $2 is not $1: $3"
	}
}

expect 0 "$SOJOURN" doctor $PIN "$TARGET"
step ok udp "answers"
step ok clock ""
step ok user "$ME logs in with ssh-ed25519"
until_true logged 'cause="logged out"'
expect 1 "$SOJOURN" doctor $PIN "nobody-at-all@$TARGET"
says out "$SERVER_KEY, which is pinned"
step FAILED user "refused nobody-at-all with key SHA256:"
expect 1 "$SOJOURN" doctor $PIN "$TARGET/else"
step FAILED user "does not offer this application"
says err "  next: check the name after the slash"
stop_server
expect 1 "$SOJOURN" doctor $PIN "$TARGET"
step FAILED udp "no server on udp port $PORT"
echo ok

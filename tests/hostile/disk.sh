#!/bin/bash
# SPDX-License-Identifier: ISC
# Disks that are full or may not be written to: what was acknowledged is there,
# what is not there was not acknowledged, and the cause has a name. The disk is a
# small tmpfs in a mount namespace of the one program that sees it.
. "$(dirname "$0")/common.sh"
SPACE='unshare -m --map-current-user --keep-caps'
$SPACE sh -c 'mount -t tmpfs none /mnt' 2>/dev/null || {
	echo "skipped: this user may not mount"
	exit 77
}

# A program that sees a disk of SIZE at DIRECTORY, filled but for FREE bytes; it
# is what SOJOURN is for the command that follows.
on_disk() {	# SIZE FREE DIRECTORY COMMAND...
	local size=$1 free=$2 directory=$3
	shift 3
	cat >small <<-F
	#!/bin/bash
	exec $SPACE bash -c 'mount -t tmpfs -o mode=700,size=$size none "$directory" &&
	    cp -rp "$directory.before/." "$directory" &&
	    left=\$(df --output=avail -B1 "$directory" | tail -n 1) &&
	    head -c \$((left - $free)) /dev/zero >"$directory/filler"
	    trap "" XFSZ
	    "\$@" &
	    trap "kill \$!" TERM
	    wait \$!
	    code=\$?
	    while kill -0 \$! 2>/dev/null; do wait \$!; code=\$?; done
	    cp -rp "$directory/." "$directory.after"
	    exit \$code' sh "$SOJOURN" "\$@"
	F
	chmod +x small
	rm -rf "$directory.after"
	mkdir -p -m 700 "$directory" "$directory.before" "$directory.after"
	"$@"
}

# The server as on_disk has made it.
start_small() {
	local real=$SOJOURN
	SOJOURN=$WORK/small
	start_server "$@"
	SOJOURN=$real
}

# Logins until one is refused: each that was told to be one is in the store of
# the server when it comes again.
case_store_full() {
	local i count=0 refused=0
	on_disk 1m 150000 "$WORK/disk" start_small --store "$WORK/disk/logins.db"
	for i in $(seq 300); do
		if limited "$SOJOURN" login --no-agent -q $FIRST "$TARGET" \
		    2>err; then
			count=$((count + 1))
		else
			refused=1
			break
		fi
	done
	[ "$refused" = 1 ] || fail "a full disk is not noticed"
	says err "the server cannot store the login"
	logged "store-failed" || fail "nobody knows why"
	kill -0 "$SERVER_PID" || fail "a full disk ends the server"
	[ "$count" -gt 0 ] || fail "full from the beginning"
	echo "  $count logins"
	stop_server
}

# A login that was acknowledged, then no room: it is there for the next server.
case_store_keeps() {
	local i id
	on_disk 1m 150000 "$WORK/disk" start_small --store "$WORK/disk/logins.db"
	local port=$PORT
	expect 0 "$SOJOURN" login $FIRST "$TARGET"
	id=$(sed -n 's/.* login session=\([0-9a-f]*\) .*/\1/p' server.log)
	[ -n "$id" ] || fail "no login"
	for i in $(seq 300); do
		limited "$SOJOURN" login --no-agent -q $FIRST "$TARGET" \
		    2>/dev/null || break
	done
	expect 0 "$SOJOURN" list --server
	stop_server
	cmp disk.after/logins.db disk.before/logins.db >/dev/null 2>&1 &&
	    fail "nothing was stored"
	PORT=$port
	start_server --store disk.after/logins.db
	expect 0 "$SOJOURN" agent --stop
	expect 0 "$SOJOURN" login $FIRST "$TARGET"
	expect 0 "$SOJOURN" list --server --json
	says out "$id"
}

case_store_read_only() {
	mkdir closed
	start_server --store closed/logins.db
	expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	stop_server
	chmod 400 closed/*
	chmod 500 closed
	expect 255 "$SOJOURN" serve --listen 127.0.0.1:0 --store closed/logins.db
	says err "closed/logins.db"
	says err "  next: "
	chmod 700 closed
}

case_known_hosts_full() {
	local state=$XDG_STATE_HOME/sojourn
	start_server
	on_disk 64k 0 "$state" true
	echo "old sojourn-x25519 $(head -c 32 /dev/zero | base64)" \
	    >"$state.before/known_hosts"
	# a page, so that the next line needs another
	head -c $((4096 - $(stat -c %s "$state.before/known_hosts"))) /dev/zero |
	    tr '\0' '#' >>"$state.before/known_hosts"
	rm -rf "$state.after"
	mkdir "$state.after"
	expect 0 ./small login --no-agent $FIRST "$TARGET"
	says err "known_hosts: the key of the server cannot be remembered"
	says err "No space left on device"
	cmp "$state.before/known_hosts" "$state.after/known_hosts" ||
	    fail "a part of a line"
	# a limit in the middle of the line
	mkdir -p "$state"
	head -c 4066 "$state.before/known_hosts" >short
	cp short "$state/known_hosts"
	(
		trap '' XFSZ
		ulimit -f 4
		limited "$SOJOURN" login --no-agent $FIRST "$TARGET" >out 2>err
	)
	says err "known_hosts: the key of the server cannot be remembered"
	cmp short "$state/known_hosts" || fail "a part of a line"
}

case_keys_full() {
	mkdir full.d
	on_disk 64k 0 "$WORK/full.d" true
	expect 255 ./small key new -q "$WORK/full.d/key"
	says err "No space left on device"
	[ "$(ls full.d.after)" = filler ] || fail "a part of a key: $(ls full.d.after)"
	expect 255 ./small serve --listen 127.0.0.1:0 --store x.db \
	    --host-key "$WORK/full.d/host"
	says err "No space left on device"
	[ "$(ls full.d.after)" = filler ] || fail "a part of a key: $(ls full.d.after)"
}

case_copy_full() {
	head -c 300000 /dev/urandom >one
	: >none
	start_server
	cp one "$HOME/one"
	on_disk 64k 0 "$WORK/disk" true
	expect 1 ./small copy --no-agent $FIRST -P "$PORT" "127.0.0.1:one" \
	    "$WORK/disk"
	says err "one: cannot write: No space left on device"
	[ "$(ls disk.after)" = filler ] || fail "a part of a file"
	stop_server
	PORT=
	on_disk 64k 0 "$WORK/disk" start_small
	expect 1 "$SOJOURN" copy --no-agent $FIRST -P "$PORT" one none \
	    "127.0.0.1:$WORK/disk"
	says err "one: at the server: No space left on device"
	stop_server
}

# The agent and the server log to a disk that has no room.
case_log_full() {
	"$SOJOURN" serve --json -v --listen 127.0.0.1:0 >server.out 2>/dev/full &
	SERVER_PID=$!
	until_true test -s server.out
	PORT=$(sed 's/.*"port":\([0-9]*\).*/\1/' server.out)
	TARGET="127.0.0.1:$PORT"
	expect 0 "$SOJOURN" login --no-agent $FIRST "$TARGET"
	expect 0 "$SOJOURN" login --no-agent "$TARGET"
	"$SOJOURN" list >/dev/full 2>err
	kill -0 "$SERVER_PID" || fail "without a log there is no server"
}

cases "$@"

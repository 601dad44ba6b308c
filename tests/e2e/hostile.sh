#!/bin/bash
# SPDX-License-Identifier: ISC
# What a client with a valid login, a stranger, a broken disk and an
# administrator with signals can do to the server: nothing that matters.
. "$(dirname "$0")/common.sh"
new_key "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
program() {	# NAME: from stdin
	cat >"$1"
	chmod +x "$1"
}
program hold <<X
#!/bin/sh
echo \$\$ >>$WORK/hold.pids
exec cat
X
program stubborn <<X
#!/bin/sh
trap '' HUP TERM
echo \$\$ >$WORK/stubborn.pid
while :; do read -r line || sleep 0.1; done
X
program open_files <<'X'
#!/bin/sh
exec ls -l /proc/self/fd
X
SERVICES="--service hold=exec:./hold --service stubborn=exec:./stubborn
    --service open_files=exec:./open_files"
FIRST='-o StrictHostKeyChecking=accept-new'
login() { expect "$1" "$SOJOURN" login $FIRST "$TARGET"; }

# a store that is no database, or that cannot be made: no server
mkdir directory.db
expect 255 "$SOJOURN" serve --listen 127.0.0.1:0 --store directory.db
says err "sojourn: local: serve: "
says err "directory.db"
says err "  next: "
echo "this is no database, but long enough to be looked at as one, is it not" >text.db
expect 255 "$SOJOURN" serve --listen 127.0.0.1:0 --store text.db
says err "text.db"

# a disk that is full: a login is refused, and the server lives on
(trap '' XFSZ; ulimit -f 100; exec "$SOJOURN" serve --json -v --store full.db \
    --listen 127.0.0.1:0 >full.out 2>full.log) &
SERVER_PID=$!
until_true test -s full.out
PORT=$(sed 's/.*"port":\([0-9]*\).*/\1/' full.out)
TARGET="127.0.0.1:$PORT"
many() {
	local i
	for i in $(seq 200); do
		limited "$SOJOURN" login --no-agent -q $FIRST "$TARGET" 2>err ||
		    return 0
	done
	return 1
}
many || fail "a full disk is not noticed"
says err "sojourn: "
says err "the server cannot store the login"
says full.log "store-failed"
kill -0 "$SERVER_PID" || fail "a full disk ends the server"
stop_server
PORT=

# what the caller had open is nobody's: the pipe has no writer but ours
mkfifo pipe
(exec 8>pipe; start_server $SERVICES; echo "$SERVER_PID $PORT" >started) &
timeout 10 cat pipe >/dev/null || fail "the server keeps what it inherited"
until_true test -s started
wait
read -r SERVER_PID PORT <started
TARGET="127.0.0.1:$PORT"
login 0
expect 0 "$SOJOURN" open "$TARGET" open_files </dev/null
[ "$(grep -c ' -> ' out)" = 4 ] || fail "descriptors leak: $(cat out)"
says out "0 -> socket:"

# more processes than one login may have: refused one by one, in words
mkfifo held
exec 9<>held
for i in $(seq 70); do
	timeout --foreground 60 "$SOJOURN" open "$TARGET" hold <held \
	    >/dev/null 2>"open.$i" 9>&- &
done
refused() { [ "$(cat open.* | grep -c 'sojourn: stream: service hold: ')" = "$1" ]; }
until_true refused 6
[ "$(cat open.* | grep -c 'refused, the server has as many')" = 6 ] ||
    fail "a limit is not called one: $(cat open.*)"
[ "$(sort -u hold.pids | wc -l)" = 64 ] || fail "not 64 processes"
# others are served all the same
expect 0 "$SOJOURN" list --server
says out "this one"
# the commands are killed: their processes go, and nothing of them stays
kill $(jobs -p) 2>/dev/null
none_left() {
	local pid
	for pid in $(cat hold.pids); do
		[ ! -e "/proc/$pid" ] || return 1
	done
}
until_true none_left
exec 9>&-

# a client that does not read holds up nobody
mkfifo unread
exec 9<>unread
timeout --foreground 60 "$SOJOURN" open "$TARGET" hold </dev/zero >unread 9>&- &
OPEN=$!
expect 0 "$SOJOURN" list --server
kill "$OPEN"
until_true none_left
exec 9>&-

# a stranger: nothing is said, nothing is logged; of what ended above the log
# may tell a moment later
settled() {
	LINES=$(wc -l <server.log)
	sleep 0.3
	[ "$(wc -l <server.log)" = "$LINES" ]
}
until_true settled
LINES=$(wc -l <server.log)
for i in $(seq 300); do
	head -c $((i * 4)) /dev/urandom >"/dev/udp/127.0.0.1/$PORT"
done 2>/dev/null
expect 0 "$SOJOURN" list --server
[ "$(wc -l <server.log)" = "$LINES" ] || fail "strangers write into the log"

# signals: HUP is nothing, TERM ends it, and a service that does not listen
kill -HUP "$SERVER_PID"
timeout --foreground 60 "$SOJOURN" open "$TARGET" stubborn </dev/null \
    >/dev/null 2>stubborn.err &
OPEN=$!
until_true test -s stubborn.pid
kill -TERM "$SERVER_PID"
until_true gone "$SERVER_PID"
wait "$OPEN" && fail "the end of the server looks like success"
says stubborn.err "the server ends"
gone "$(cat stubborn.pid)" || fail "a service outlives its server"
says server.log "ending signal=15"
says server.log "ended"
SERVER_PID=

# whoever reads the log goes away: the server does not
expect 0 "$SOJOURN" agent --stop
mkfifo log
head -n 1 <log >first &
"$SOJOURN" serve --json -v --listen 127.0.0.1:0 >server.out 2>log &
SERVER_PID=$!
until_true listening
until_true test -s first
PORT=$(sed 's/.*"port":\([0-9]*\).*/\1/' server.out)
TARGET="127.0.0.1:$PORT"
login 0
login 0
kill -0 "$SERVER_PID" || fail "without a log there is no server"
stop_server
echo ok

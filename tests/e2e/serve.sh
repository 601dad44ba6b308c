#!/bin/bash
# SPDX-License-Identifier: ISC
# The server: who gets in, what its services are, what is left when it dies.
. "$(dirname "$0")/common.sh"
new_key "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
program() {	# NAME: from stdin
	cat >"$1"
	chmod +x "$1"
}
program who <<'X'
#!/bin/sh
env | sort
echo "to the log" >&2
cat >&2
X
program cat.sh <<'X'
#!/bin/sh
exec cat
X
program early <<'X'
#!/bin/sh
echo no more; exit 3
X
program stay <<X
#!/bin/sh
echo \$\$ >$WORK/stay.pid
exec sleep 1000
X
SERVICES="--service who=exec:./who --service cat=exec:./cat.sh
    --service early=exec:./early --service stay=exec:./stay"
FIRST='-o StrictHostKeyChecking=accept-new'

# what would be served, without serving
expect 0 "$SOJOURN" serve --check $SERVICES
says out "service          who exec:$WORK/who"
[ ! -e "$XDG_STATE_HOME/sojourn" ] || fail "--check made files"
expect 255 "$SOJOURN" serve --service x=exec:/nonexistent
says err "sojourn: usage: serve: /nonexistent"
expect 255 "$SOJOURN" serve --service files=exec:/bin/true
says err "the server's own"
expect 255 "$SOJOURN" serve --listen nowhere
expect 255 "$SOJOURN" serve --listen 203.0.113.7:7531
says err "sojourn: local: serve: udp 203.0.113.7:7531: "
says err "  next: check the address and that the port is free"
printf 'Listen 127.0.0.1:0\nFrobnicate yes\n' >config
expect 255 "$SOJOURN" serve --check --config config
says err "config:2: Frobnicate: unknown keyword"
printf '# small\nlisten 127.0.0.1:1234\nSessionIdleLimit 30d\nService who exec:%s\n' \
    "$WORK/who" >config
expect 0 "$SOJOURN" serve --check --config config
says out "udp 127.0.0.1:1234"
says out "service          who"

# by which names; more than one by more than one option
expect 0 "$SOJOURN" serve --check --name Server.Example --name ::1
says out "names            server.example,::1"
expect 255 "$SOJOURN" serve --check --name a,b
says err "a name is a host"

start_server $SERVICES
# the net process has given up its rights; the store is a database
says "/proc/$NET_PID/status" "Seccomp:	2"
says "/proc/$NET_PID/status" "NoNewPrivs:	1"
[ "$(head -c 15 "$XDG_STATE_HOME/sojourn/logins.db")" = "SQLite format 3" ] ||
    fail "no database"

# a second one in the same place is an error, and does no harm
expect 255 "$SOJOURN" serve --listen "$TARGET" --store "$WORK/other.db"
says err "sojourn: local: serve: udp $TARGET: "
kill -0 "$SERVER_PID" || fail "the first server is gone"

# login, the verified name in a service's environment, bytes both ways
expect 0 "$SOJOURN" login $FIRST --json "$TARGET"
ID=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out)
echo "and this" | expect 0 "$SOJOURN" open "$TARGET" who
says out "SOJOURN_USER=$ME"
says out "SOJOURN_MECHANISM=publickey"
says out "SOJOURN_SESSION=$ID"
says out "SOJOURN_SERVICE=who"
says out "SOJOURN_PEER=127.0.0.1"
grep -q '^XDG_\|^SSH' out && fail "the environment of the server leaks"
until_true logged 'service=who text="to the log"'
until_true logged 'service=who text="and this"'
head -c 5000000 /dev/urandom >big
limited "$SOJOURN" open "$TARGET" cat <big >back || fail "cat"
cmp big back || fail "what came back differs"
expect 0 "$SOJOURN" open "$TARGET" early <big
[ "$(cat out)" = "no more" ] || fail "the last words of a service are lost"
until_true logged 'service=early'

# a service goes with its stream
timeout --foreground 30 "$SOJOURN" open "$TARGET" stay >/dev/null 2>&1 </dev/zero &
OPEN=$!
until_true test -s stay.pid
kill "$OPEN"
wait "$OPEN" 2>/dev/null
until_true gone "$(cat stay.pid)"

# services that are not there; hostile names cost one line of log
expect 255 "$SOJOURN" open "$TARGET" nothing </dev/null
says err "sojourn: stream: service nothing: the server does not offer"
LINES=$(wc -l <server.log)
expect 255 "$SOJOURN" open "$TARGET" $'\e[2Ja\n2026-01-01T00:00:00Z login b' </dev/null
[ "$(wc -l <server.log)" = $((LINES + 1)) ] || fail "a name made a line"
says server.log '\x1b[2Ja\x0a2026-01-01'
grep -q $'\e' server.log && fail "an escape in the log"
expect 255 "$SOJOURN" open "$TARGET" "$(printf 'x%.0s' $(seq 300))" </dev/null

# other kinds of keys, judged in the sandbox
if command -v ssh-keygen >/dev/null; then
	for kind in 'ecdsa -b 256' 'ecdsa -b 521' 'rsa -b 4096'; do
		rm -f kind kind.pub
		ssh-keygen -q -t $kind -N '' -f kind </dev/null
		cat kind.pub >>"$HOME/.ssh/authorized_keys"
		expect 0 "$SOJOURN" login --no-agent -i kind --server-key "$SERVER_KEY" "$TARGET"
	done
fi

# a wrong key, a wrong user, a key with an option: refused alike
new_key wrong
expect 255 "$SOJOURN" login --no-agent -i wrong --server-key "$SERVER_KEY" "$TARGET"
sed 's/SHA256:[^ ]*/KEY/; s/([^)]*)/FILE/' err >refusal
says err "refused $ME with key SHA256:"
says err "($WORK/wrong)"
expect 255 "$SOJOURN" login --no-agent --server-key "$SERVER_KEY" "root@$TARGET"
sed "s/SHA256:[^ ]*/KEY/; s/([^)]*)/FILE/; s/ root / $ME /" err | cmp - refusal ||
    fail "a refusal tells about users: $(cat err refusal)"
new_key optional
echo "no-pty $(cat optional.pub)" >>"$HOME/.ssh/authorized_keys"
expect 255 "$SOJOURN" login --no-agent -i optional --server-key "$SERVER_KEY" "$TARGET"
sed 's/SHA256:[^ ]*/KEY/; s/([^)]*)/FILE/' err | cmp - refusal ||
    fail "a line with options is refused differently"
until_true logged 'options, which are not honoured'
[ "$(grep -c 'login-refused' server.log)" = 3 ] || fail "refusals in the log"
# but the log has the cause of each
says server.log "cause=\"the key is not in $HOME/.ssh/authorized_keys\""
says server.log 'cause="not the account served here"'
expect 255 "$SOJOURN" login --no-agent "$TARGET/mail"
says err "application"

# a login elsewhere is seen and ended from here
mkfifo held
exec 9<>held
"$SOJOURN" open --no-agent "$TARGET" cat <held >/dev/null 2>other.err 9>&- &
OTHER=$!
listed() { [ "$(limited "$SOJOURN" list --server --json | wc -l)" = "$1" ]; }
until_true listed 2
OTHER_ID=$(limited "$SOJOURN" list --server --json | grep '"this":false' |
    sed 's/.*"id":"\([0-9a-f]*\)".*/\1/')
expect 0 "$SOJOURN" logout "$OTHER_ID"
until_true gone "$OTHER"
wait "$OTHER" && fail "the login ended, its command did not see it"
says other.err "revoked"
until_true listed 1
expect 255 "$SOJOURN" logout 0123456789abcdef

# net is killed: the server says so and ends, logins stay
kill -9 "$NET_PID"
wait "$SERVER_PID"
[ $? = 255 ] || fail "the server goes on without net"
says server.log "net-died signal=9"
start_server $SERVICES
# a session ends with its channel yet: the agent's is of no use any more
expect 0 "$SOJOURN" agent --stop
expect 0 "$SOJOURN" login --json "$TARGET"
AGAIN=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out)
until_true listed 2
says server.log "login session=$AGAIN"
expect 0 "$SOJOURN" logout "$ID"
until_true listed 1

# the monitor is killed: net does not outlive it
NET=$NET_PID
kill -9 "$SERVER_PID"
wait "$SERVER_PID" 2>/dev/null
until_true gone "$NET"
"$SOJOURN" agent --stop

# another key in the same place is refused loudly
rm "$XDG_STATE_HOME/sojourn/host.key"
start_server $SERVICES
expect 255 "$SOJOURN" login --no-agent "$TARGET"
says err "CHANGED"
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
expect 0 "$SOJOURN" logout --all
stop_server
PORT=

# a server that was told its names refuses others, with the same words as a key
start_server --name server.example --name LocalHost
expect 255 "$SOJOURN" login --no-agent --server-key "$SERVER_KEY" "$TARGET"
says err "refused"
expect 0 "$SOJOURN" login --no-agent --server-key "$SERVER_KEY" "localhost:$PORT"
stop_server
PORT=
start_server --once
expect 0 "$SOJOURN" login --no-agent --server-key "$SERVER_KEY" "$TARGET"
until_true gone "$SERVER_PID"
wait "$SERVER_PID" || fail "--once ends with $?"
SERVER_PID=

# who started it may have wanted to hear of no children: the server has to
PORT=
REAL=$SOJOURN
printf '#!/bin/sh\nexec env --ignore-signal=CHLD "%s" "$@"\n' "$REAL" >deaf
chmod +x deaf
SOJOURN=$WORK/deaf
start_server
SOJOURN=$REAL
kill "$SERVER_PID"
until_true gone "$SERVER_PID"
wait "$SERVER_PID" || fail "ends with $?"
SERVER_PID=
echo ok

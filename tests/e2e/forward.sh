#!/bin/bash
# SPDX-License-Identifier: ISC
# Forwarding: sockets of every kind at both ends, what breaks, and who may.
LIMIT_S=${LIMIT_S:-140}
. "$(dirname "$0")/common.sh"
new_key "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
PYTHON=${PYTHON:-/usr/bin/python3}
CASES=$(cd "$(dirname "$0")" && pwd)/forward.py
case_of() {
	timeout --foreground -k 1 100 "$PYTHON" "$CASES" "$@" && return
	tail -n 5 f.err far.log >&2
	kill -0 "$FORWARD_PID" || echo "forward has ended" >&2
	fail "$*"
}
"$PYTHON" "$CASES" serve "$WORK" 2>far.log &
FAR_PID=$!
until_true test -s ports
read -r FAR FAR6 GREETER FULL CLOSED <ports

# forward WORD...: in the background; FORWARD_PID, and its first lines in f.out
forward() {
	: >f.out
	"$SOJOURN" forward "$TARGET" "$@" >f.out 2>f.err &
	FORWARD_PID=$!
	until_true listens
}
listens() {
	kill -0 "$FORWARD_PID" 2>/dev/null || fail "forward ends: $(cat f.err)"
	[ -s f.out ]
}
# at N: the port of the Nth line
at() { sed -n "$1s/.*:\([0-9]*\) -> .*/\1/p" f.out; }
stop_forward() {
	kill "$FORWARD_PID"
	wait "$FORWARD_PID"
	code=$?
	[ "$code" = 143 ] || fail "asked to end, forward ends with $code: $(cat f.err)"
}

# hold FILE PLACE [WORD]: a connection that stays; FILE says how it ended
hold() {
	: >"$1"
	"$PYTHON" "$CASES" hold "${@:2}" >>"$1" &
	until_true grep -q held "$1"
}

# words that are none; nothing is done for them
start_server
expect 0 "$SOJOURN" login -o StrictHostKeyChecking=accept-new "$TARGET"
for words in '' '-L' '-L 80' '-L 8080:host' '-L 1:2:3:4:5' '-L 70000:h:1' \
    '-L 8080:::1:80' '-W host' '-W h:0' '-L 1:h:1 -W h:1' '-L 1:h:x' '-D 1'; do
	expect 255 "$SOJOURN" forward "$TARGET" $words
	says err "sojourn: usage: forward: "
done

# TCP and Unix sockets at both ends, IPv6, port 0
forward -L "0:127.0.0.1:$FAR" -L "[::1]:0:[::1]:$FAR6" -L "0:$WORK/far.sock" \
    -L "$WORK/near:localhost:$FAR" -L "$WORK/near2:$WORK/far.sock" \
    -L "0:127.0.0.1:$CLOSED" -L "127.0.0.1:0:127.0.0.1:$GREETER" \
    -L "0:$WORK/nothing" -L "$WORK/near3:no-such-host.invalid:1" \
    -L "127.0.0.1:0:127.0.0.1:$FULL"
grep -q '^127\.0\.0\.1:[1-9][0-9]* -> 127\.0\.0\.1:'"$FAR"'$' f.out || fail "no loopback: $(cat f.out)"
by_far() { sed -n "s/^\(.*\) -> $1\$/\1/p" f.out | head -n 1; }
TCP_TCP=$(by_far "127\.0\.0\.1:$FAR")
TCP_V6=$(by_far "\[::1\]:$FAR6")
TCP_UNIX=$(by_far ".*far\.sock")
TO_CLOSED=$(by_far "127\.0\.0\.1:$CLOSED")
TO_GREETER=$(by_far "127\.0\.0\.1:$GREETER")
TO_NOTHING=$(by_far ".*nothing")
TO_FULL=$(by_far "127\.0\.0\.1:$FULL")
case $TCP_V6 in '[::1]:'*) ;; *) fail "IPv6 listener: $TCP_V6" ;; esac
[ "$(stat -c %a near)" = 600 ] || fail "mode of the socket"
for place in "$TCP_TCP" "$TCP_V6" "$TCP_UNIX" "$WORK/near" "$WORK/near2"; do
	case_of echo "$place" 3000000
	case_of half "$place"
done
case_of reset "$TCP_TCP"
case_of reset "$TCP_V6"
case_of reset "$TCP_UNIX" path
case_of reset "$WORK/near" path
case_of greeted "$TO_GREETER"

# one that hangs holds up nobody
hold hangs.out "$TO_FULL"
until_true logged "place=\"tcp:127.0.0.1:$FULL\""
case_of echo "$TCP_TCP" 100
grep -q Error hangs.out && fail "all waited for the one that hangs"

# what is not there
case_of refused "$TO_CLOSED"
case_of refused "$TO_NOTHING"
case_of refused "$WORK/near3"
until_true grep -q "near3" f.err
says f.err "sojourn: stream: $TO_CLOSED -> 127.0.0.1:$CLOSED: connection refused"
says f.err "nothing: there is no such socket at the server"
says f.err "no-such-host.invalid:1: the server cannot resolve the name"
says server.log 'connect-failed'

# many at once, each byte compared
case_of many "$TCP_TCP" 200 1048576
case_of many "$WORK/near2" 50 100000
# a thousand that only wait keep no other out; more than that wait in line
case_of many "$TCP_TCP" 950 2000
: >crowd.out
"$PYTHON" "$CASES" crowd "$TCP_TCP" 1010 >crowd.out &
CROWD=$!
until_true grep -q 1010 crowd.out
until_true grep -q "1000 connections: more wait until one ends" f.err
kill "$CROWD"
case_of echo "$TCP_TCP" 100

# resets go through, in every state; what was sent before a close arrives
case_of break_off "$TCP_TCP" reset1
until_true grep -qs 'ConnectionResetError' reset1
case_of break_off "$TCP_TCP" reset2 ended
until_true grep -qs ConnectionResetError reset2
case_of half_reset "$TCP_TCP"
SUM=$(head -c 3000000 /dev/zero | tr '\0' y | sha256sum | cut -d' ' -f1)
i=0
for place in "$TCP_TCP" "$TCP_UNIX" "$WORK/near" "$WORK/near2" "$WORK/near loud" "$WORK/near2 loud" "$WORK/near late"; do
	i=$((i + 1))
	case_of leave ${place% l*} "sum$i" ${place#"${place% l*}"}
	until_true test -s "sum$i"
	[ "$(cat "sum$i")" = "$SUM" ] || fail "sent, closed, not arrived: $place"
done

for place in "$TCP_TCP" "$TCP_UNIX" "$WORK/near" "$WORK/near2"; do
	case_of told "$place"
done

# who never reads stops the far sender, and the other way round; nobody else
settled() {	# FILE: the same twice, and not nothing
	local before
	before=$(tail -n 1 "$1")
	sleep 0.5
	[ -n "$before" ] && [ "$(tail -n 1 "$1")" = "$before" ]
}
"$PYTHON" "$CASES" deaf "$TCP_TCP" >deaf.out &
DEAF=$!
until_true test -s flood
until_true settled flood
[ "$(cat flood)" -lt 67108864 ] || fail "$(cat flood) bytes for one who reads none"
case_of echo "$TCP_TCP" 1000000
kill "$DEAF"
until_true grep -qs Error flood.end
"$PYTHON" "$CASES" push "$WORK/near" >push.out &
PUSH=$!
until_true test -s push.out
until_true settled push.out
[ "$(tail -n 1 push.out)" -lt 67108864 ] || fail "$(tail -n 1 push.out) bytes to one who reads none"
case_of echo "$WORK/near" 1000000
kill "$PUSH"

# who hung is given up, after a time
until_true grep -q ConnectionResetError hangs.out
says f.err "sojourn: stream: $TO_FULL -> 127.0.0.1:$FULL: no answer at the far end"

# the process that connects dies: what waited has failed, the next is as before
hold waits.out "$TO_FULL"
CONNECTOR=$(sed -n 's/.* connector-started pid=//p' server.log)
kill -9 "$CONNECTOR"
until_true grep -q ConnectionResetError waits.out
case_of echo "$TCP_TCP" 100

# an HTTP client
mkdir web
head -c 2000000 /dev/urandom >web/page
: >web.out
"$PYTHON" -u -m http.server --bind 127.0.0.1 --directory web 0 >web.out 2>&1 &
until_true grep -q ' port ' web.out
WEB=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' web.out)
stop_forward
[ ! -e near ] && [ ! -e near2 ] || fail "sockets are left behind"
forward --json -L "127.0.0.1:0:127.0.0.1:$WEB"
grep -qx "{\"event\":\"listening\",\"address\":\"127.0.0.1\",\"port\":[0-9]*,\"to\":\"127.0.0.1:$WEB\"}" f.out ||
    fail "--json: $(cat f.out)"
NEAR=$(sed 's/.*"port":\([0-9]*\).*/\1/' f.out)
limited "$PYTHON" -c "import sys, urllib.request as r
for i in range(20): d = r.urlopen('http://127.0.0.1:$NEAR/page').read()
sys.stdout.buffer.write(d)" >page || fail "http"
cmp page web/page || fail "http: other bytes"

# a port, a path that is in use
expect 255 "$SOJOURN" forward "$TARGET" -L "$NEAR:h:1"
says err "sojourn: local: forward: cannot listen on 127.0.0.1:$NEAR: Address already in use"
says err "  next: choose another port, or end what has this one"
limited "$SOJOURN" forward "$TARGET" -L 0:h:1 2>err >/dev/full
[ $? = 255 ] && [ "$(cat err)" = "sojourn: local: cannot write to stdout" ] || fail "listeners to a full disk: $(cat err)"
touch file
expect 255 "$SOJOURN" forward "$TARGET" -L "$WORK/new:h:1" -L "$WORK/file:h:1"
says err "cannot listen on $WORK/file: the path exists"
says err "  next: remove it if nobody listens there any more, or choose another path"
[ -e file ] && [ ! -e new ] || fail "the wrong path is removed"
expect 255 "$SOJOURN" forward "$TARGET" -L "$WORK/none/new:h:1"
says err "cannot listen on $WORK/none/new: No such file or directory"
says err "  next: check the directory that it is to be in"
expect 255 "$SOJOURN" forward "$TARGET" -L "203.0.113.7:0:h:1"
says err "203.0.113.7"
says err "  next: choose an address that this machine has"

# logged out: it ends, and the connections break at both ends
stop_forward
forward -L "127.0.0.1:0:127.0.0.1:$FAR"
hold held.out "$(at 1)" "held far.out"
until_true test -e far.out.begun
expect 0 "$SOJOURN" logout --all
wait "$FORWARD_PID"
[ $? = 255 ] || fail "logged out, forward goes on"
says f.err "sojourn: session: logged out"
until_true grep -q ConnectionResetError held.out
until_true grep -qs ConnectionResetError far.out

# -W
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
{ echo echo; cat web/page; } | limited "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR" >back ||
    fail "-W"
cmp back web/page || fail "-W: other bytes"
{ echo count; echo 12345; } | expect 0 "$SOJOURN" forward "$TARGET" -W "$WORK/far.sock"
says out 6
expect 255 "$SOJOURN" forward "$TARGET" -W "[::1]:$CLOSED" </dev/null
says err "sojourn: stream: [::1]:$CLOSED: connection refused at the far end"
says err "  next: check that something listens there"
echo reset | expect 255 "$SOJOURN" forward --json "$TARGET" -W "127.0.0.1:$FAR"
says err '"result":"SJ_ERR_RESET","code":1'
says err "connection reset at the far end"

# started without one of the standard streams: none is another's socket
expect 0 "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR" <&-
{ echo echo; echo me; } | limited "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR" 2>err >&-
[ $? = 255 ] || fail "-W without stdout"
says err "cannot write: Bad file descriptor"
{ echo echo; echo me; } | limited "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR" >out 2>&- ||
    fail "-W without stderr"
says out me

# a real ssh through it
SSHD=$(command -v sshd || ls /usr/sbin/sshd 2>/dev/null)
if [ -n "$SSHD" ] && command -v ssh >/dev/null && command -v sftp >/dev/null; then
	ssh-keygen -q -t ed25519 -N '' -f sshd.key
	cat >sshd.config <<-X
		ListenAddress 127.0.0.1
		HostKey $WORK/sshd.key
		AuthorizedKeysFile $HOME/.ssh/authorized_keys
		PidFile none
		StrictModes no
		UsePAM yes
		Subsystem sftp internal-sftp
		ForceCommand internal-sftp
	X
	SSH_PORT=$(PYTHON= "${PYTHON}" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	: >sshd.log
	"$SSHD" -D -e -p "$SSH_PORT" -f sshd.config 2>sshd.log &
	until_true grep -q 'Server listening' sshd.log
	echo "get $WORK/web/page $WORK/page2" >batch
	limited sftp -q -b batch -P "$SSH_PORT" -i "$HOME/.ssh/id_ed25519" \
	    -o StrictHostKeyChecking=no -o UserKnownHostsFile=known \
	    -o ProxyCommand="$SOJOURN forward $TARGET -W %h:%p" \
	    "$ME@127.0.0.1" >sftp.out 2>&1 || { cat sftp.out sshd.log; fail "ssh through -W"; }
	cmp page2 web/page || fail "ssh through -W: other bytes"
	kill %%
else
	echo "no sshd here: ssh through -W is left out"
fi

# the agent ends: whoever forwards is told
forward -L "127.0.0.1:0:127.0.0.1:$FAR"
hold held.out "$(at 1)"
expect 0 "$SOJOURN" agent --stop
wait "$FORWARD_PID"
[ $? = 255 ] || fail "the agent ends, forward goes on"
until_true grep -q ConnectionResetError held.out
stop_server

# the server ends in order: the far ends break, too
start_server
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
forward -L "127.0.0.1:0:127.0.0.1:$FAR"
hold held.out "$(at 1)" "held far2.out"
until_true test -e far2.out.begun
stop_server
until_true grep -qs ConnectionResetError far2.out
wait "$FORWARD_PID"
[ $? = 255 ] || fail "the server ends, forward goes on"
expect 0 "$SOJOURN" agent --stop

# what is not allowed
cat >config <<X
PermitOpen 127.0.0.1:$FAR [::1]:*
AllowStreamLocalForwarding no
X
expect 0 "$SOJOURN" serve --check --config config
says out "forwarding       tcp as PermitOpen says, unix sockets no"
start_server --config config
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
echo echo | expect 0 "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR"
echo echo | expect 0 "$SOJOURN" forward "$TARGET" -W "[::1]:$FAR6"
for place in "127.0.0.1:$GREETER" "localhost:$FAR" "$WORK/far.sock"; do
	expect 255 "$SOJOURN" forward "$TARGET" -W "$place" </dev/null
	says err "$place: the server does not allow it"
done
says server.log 'cause="not permitted"'
forward -L "127.0.0.1:0:127.0.0.1:$GREETER"
case_of refused "$(at 1)"
until_true grep -q "does not allow it" f.err
stop_forward
expect 0 "$SOJOURN" logout --all
stop_server
echo "AllowTcpForwarding no" >config
start_server --config config
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
expect 255 "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR" </dev/null
says err "the server does not allow it"
echo echo | expect 0 "$SOJOURN" forward "$TARGET" -W "$WORK/far.sock"
expect 0 "$SOJOURN" logout --all
expect 0 "$SOJOURN" agent --stop
stop_server

# a server that may have few descriptors has some all the same
REAL=$SOJOURN
printf '#!/bin/sh\nulimit -n 24\nexec "%s" "$@"\n' "$REAL" >few
chmod +x few
SOJOURN=$WORK/few
start_server
SOJOURN=$REAL
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
echo echo | expect 0 "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR"
# ...and as many that come at once as ever do not end the process that connects
died() { grep -c connector-died server.log; }
before=$(died)
forward -L "127.0.0.1:0:127.0.0.1:$FAR"
case_of rush "$(at 1)" 400
echoes() { echo echo | limited "$SOJOURN" forward "$TARGET" -W "127.0.0.1:$FAR" 2>/dev/null; }
until_true echoes
[ "$(died)" = "$before" ] || fail "too many descriptors on their way end the connector"
stop_forward
expect 0 "$SOJOURN" logout --all
stop_server

# no descriptor is left, at the server or in the agent: who finds none is
# refused, and nobody else
start_server
case_of allow "$NET_PID" 80
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
forward -L "127.0.0.1:0:127.0.0.1:$FAR"
case_of scarce "$(at 1)" 100
case_of echo "$(at 1)" 100
stop_forward
stop_server
expect 0 "$SOJOURN" agent --stop
start_server
spent() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
for most in 60 61; do
	"$SOJOURN" agent --run >agent.out 2>&1 &
	AGENT=$!
	until_true test -S "$XDG_RUNTIME_DIR/sojourn/agent"
	expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" "$TARGET"
	case_of allow "$AGENT" "$most"
	forward -L "127.0.0.1:0:127.0.0.1:$FAR"
	case_of scarce "$(at 1)" 80
	case_of echo "$(at 1)" 100
	stop_forward
	says f.err "the agent has no descriptor left"
	# commands that find none wait, and the agent with them
	: >crowd.out
	"$PYTHON" "$CASES" crowd_agent 80 >crowd.out &
	CROWD=$!
	until_true grep -q 80 crowd.out
	before=$(spent "$AGENT")
	sleep 1
	[ $(($(spent "$AGENT") - before)) -lt 20 ] || fail "the agent turns round and round"
	kill "$CROWD"
	expect 0 "$SOJOURN" agent --stop
	wait "$AGENT"
done
stop_server
kill "$FAR_PID"
echo ok

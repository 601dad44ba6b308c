#!/bin/bash
# SPDX-License-Identifier: ISC
# netlab itself, and a copy through what it makes of a link. NETLAB and SOJOURN
# name the programs. No time decides: what is asked is whether packets were lost,
# doubled, marked or held back, and what is left when all is over.
set -u
[ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] && unshare -n true 2>/dev/null || {
	echo "SKIPPED: needs root, /dev/net/tun and network namespaces"
	exit 77
}
# Whose process namespace is over can start nothing any more, no search for leaks
# either.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK" || exit 1

fail() {
	cat out err 2>/dev/null >&2
	echo "FAILED: $*" >&2
	exit 1
}

# expect CODE OPTION... -- COMMAND...
expect() {
	local code want=$1
	shift
	timeout -k 1 60 "$NETLAB" "$@" >out 2>err
	code=$?
	[ "$code" = "$want" ] || fail "exit $code, not $want: $*"
}
says() { grep -q -- "$2" "$1" || fail "$1 does not say: $2"; }

# number DIRECTION NAME: out of the JSON of the last run
number() {
	python3 -c 'import json, sys
print(json.load(open("json"))[sys.argv[1]][sys.argv[2]])' "$1" "$2"
}
is() {	# DIRECTION NAME CONDITION
	local value
	value=$(number "$1" "$2") || fail "no $1 $2"
	[ "$value" $3 ] || fail "$1 $2: $value, not $3"
}

# exit codes
expect 7 -- sh -c 'exit 7'
expect 137 -- sh -c 'kill -9 $$'
expect 124 --limit 1 -- sleep 60
expect 2 --no-such-option -- true
expect 2 --rate fast -- true
expect 2 --loss 101% -- true
expect 2
expect 127 -- ./no-such-command

# two ends and nothing else; packets take the time that is asked for
expect 0 --delay 15ms -- ping -c 3 -i 0.1 10.77.0.2
python3 - out <<'X' || fail "faster than the link"
import re, sys
times = re.findall(r"time=([\d.]+) ms", open(sys.argv[1]).read())
assert len(times) == 3 and min(map(float, times)) >= 30, times
X
expect 0 -- ping -c 1 fd77::2
expect 0 -- sh -c '! ping -c 1 -W 1 192.0.2.1'

# what is done to packets, and who counts it
PING="ping -q -c 40 -i 0.002 -W 1 10.77.0.2"
expect 1 --loss 100% --json json -- $PING
is up lost '= 40'
is up packets_out '= 0'
expect 0 --up --loss 20% --json json -- $PING
is up lost '-gt 0'
is down lost '= 0'
is up packets_out "= $((40 - $(number up lost)))"
lost=$(number up lost)
expect 0 --up --loss 20% --json json -- $PING
is up lost "= $lost"
expect 0 --up --loss 20% --seed 2 --json json -- $PING
expect 0 --down --burst-loss 10%,20% --json json -- $PING
is down lost '-gt 0'
expect 0 --up --duplicate 100% --json json -- $PING
is up duplicated '= 40'
is up packets_out '= 80'
expect 0 --up --reorder 30%,20ms --json json -- $PING
is up reordered '-gt 0'
expect 0 --up --mark 100% --json json -- ping -q -c 5 -i 0.002 -Q 2 10.77.0.2
is up marked '= 5'
expect 0 --up --mark 100% --json json -- ping -q -c 5 -i 0.002 10.77.0.2
is up marked '= 0'
expect 1 --blackhole 1000 --json json -- ping -q -c 2 -i 0.1 -W 1 -s 1200 10.77.0.2
is up vanished '= 2'
expect 0 --blackhole 1000 --json json -- ping -q -c 2 -i 0.1 -s 500 10.77.0.2
is up vanished '= 0'
expect 1 --mtu 1280 -- ping -c 1 -M do -s 1300 10.77.0.2
# a burst into a slow link with room for two
expect 0 --up --rate 100kbit --queue 2p --json json -- ping -q -c 30 -l 30 -W 3 -s 1000 10.77.0.2
is up full '-gt 0'
is up packets_out "= $((30 - $(number up full)))"

# it is killed, and all that ran with it
"$NETLAB" --server 'exec sleep 98765' -- sleep 98766 &
for _ in $(seq 100); do
	pgrep -f 'sleep 98766' >/dev/null && pgrep -f 'sleep 98765' >/dev/null && break
	sleep 0.05
done
pgrep -f 'sleep 98765' >/dev/null || fail "the server was not started"
kill -9 $!
wait $! 2>/dev/null
for _ in $(seq 100); do
	pgrep -f 'sleep 9876[56]' >/dev/null || break
	sleep 0.05
done
! pgrep -f 'sleep 9876[56]' || fail "something runs on"
expect 125 --server 'exit 3' --wait 9 -- true

# a copy there and back through a link that does all of it
mkdir home
cp "$SOJOURN" "$(dirname "$SOJOURN")"/*.so.? . 2>/dev/null
export HOME="$WORK/home" XDG_STATE_HOME="$WORK/home" XDG_RUNTIME_DIR="$WORK/home" \
    LD_LIBRARY_PATH="$WORK"
chmod 755 .
./sojourn key new -q home/key >/dev/null || fail "key new"
mkdir home/.ssh
mv home/key.pub home/.ssh/authorized_keys
head -c 1000000 /dev/urandom >home/bytes
chown -R 65534:65534 home
chmod -R go-rwx home
expect 0 --user 65534 --rate 20mbit --delay 5ms --jitter 2ms --loss 2% \
    --duplicate 2% --reorder 2% --json json \
    --server './sojourn serve --listen 10.77.0.2:7531 --authorized-keys home/.ssh/authorized_keys' \
    --wait 7531 -- sh -c 'cd home &&
	for words in "bytes 10.77.0.2:there" "10.77.0.2:there back"; do
		../sojourn copy --no-agent -q -i key -o StrictHostKeyChecking=accept-new $words || exit 1
	done; cmp bytes back'
is up lost '-gt 0'
is down lost '-gt 0'
is down reordered '-gt 0'
is down duplicated '-gt 0'
is up overrun '-ge 0'
echo ok

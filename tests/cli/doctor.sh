#!/bin/bash
# SPDX-License-Identifier: ISC
# Each step of the doctor fails where it should, is the first that is told, and
# says what to do; the steps that build on it are not done.
SELF=$(readlink -f "$0")
. "$(dirname "$0")/common.sh"
unset XDG_CONFIG_HOME

step() {	# STATE NAME [TEXT]: a line of out
	grep -qE -- "^$1 +$2 +.*${3:-}" out || {
		cat out err >&2
		fail "step $2 is not $1: ${3:-}"
	}
}

# sockets of our own: closed, silent, of another version, and one that answers
# to what it was not asked, or to nothing else
cat >peer.py <<'X'
import socket, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind((sys.argv[2], 0))
print(one.getsockname()[1], flush=True)
if sys.argv[1] == "closed":
    sys.exit()
while True:
    data, peer = one.recvfrom(2048)
    if not all(byte & 0x0f == 0x0a for byte in data[1:5]):
        continue  # a hello of a version that there is
    assert len(data) >= 1200 and data[0] & 0xf0 == 0x80
    swapped = data[13:21] + data[5:13]
    answer = {"silent": b"",
              "version": b"\x80\0\0\0\0" + swapped + b"\x53\x6a\0\x63" * 5,
              "unasked": b"\x80\0\0\0\0" + data[5:21] + b"\x53\x6a\0\1" * 5,
              "short": b"\x80\0\0\0\0" + swapped,
              "good": b"\xf5\0\0\0\0" + swapped + b"\x1a\x2a\x3a\x4a\x53\x6a\0\1" + b"x" * 11}[sys.argv[1]]
    if answer:
        one.sendto(answer, peer)
X
peer() {	# KIND [ADDRESS [COMMAND...]]: sets PEER to its port
	: >peer.out
	"${@:3}" python3 peer.py "$1" "${2:-127.0.0.1}" >peer.out &
	SERVER_PID=$!
	until_true test -s peer.out
	read -r PEER <peer.out
}
gone() { kill $SERVER_PID; wait $SERVER_PID 2>/dev/null; SERVER_PID=; }

# A way of two links, of which we see the first: what is too large for the second
# a router tells us of, or nobody.
narrow_way() {
	local router server
	unshare -n sleep 60 & router=$!
	unshare -n sleep 60 & server=$!
	until_true apart_from $router
	until_true apart_from $server
	in_router() { nsenter -t $router -n "$@"; }
	in_server() { nsenter -t $server -n "$@"; }
	ip link add c type veth peer name r1 netns $router &&
	    in_router ip link add r2 type veth peer name s netns $server &&
	    ip addr add 10.1.0.1/24 dev c && ip link set c up &&
	    in_router ip addr add 10.1.0.2/24 dev r1 &&
	    in_router ip addr add 10.2.0.2/24 dev r2 &&
	    in_server ip addr add 10.2.0.3/24 dev s &&
	    in_router ip link set r1 up && in_router ip link set r2 mtu 1280 up &&
	    in_server ip link set s mtu 1280 up &&
	    ip route add default via 10.1.0.2 &&
	    in_server ip route add default via 10.2.0.2 &&
	    in_router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' || {
		echo "no second network: a narrow way is not tested"
		kill $router $server
		return
	}
	peer good 10.2.0.3 nsenter -t $server -n
	expect 1 "$SOJOURN" doctor --timeout 1 "10.2.0.3:$PEER"
	step ok route "from 10.1.0.1 by c"
	step ok mtu "1252 bytes get there whole \(path mtu 1280\)"
	# it answers probes and no more
	step FAILED key "no answer"
	step - user
	in_router ip link set r2 mtu 1500
	ip route flush cache
	expect 1 "$SOJOURN" doctor --timeout 1 "10.2.0.3:$PEER"
	step ok mtu "1232 bytes get there whole \(path mtu 1500\)"
	gone
	kill $router $server
}
apart_from() { [ "$(readlink /proc/$1/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }

# --- in a network of its own -------------------------------------------------
if [ -n "${IN_SPACE:-}" ]; then
	trap 'cleanup; kill $(jobs -p) 2>/dev/null' EXIT
	expect 1 "$SOJOURN" doctor --timeout 1 192.0.2.1
	step FAILED route "none to 192.0.2.1: Network is unreachable"
	ip link set lo mtu 1280 up || exit 77
	start_server
	LOGIN="-i $HOME/key --server-key $SERVER_KEY"
	expect 0 "$SOJOURN" doctor $LOGIN "$TARGET"
	step ok mtu "1252 bytes get there whole \(path mtu 1280\)"
	ip link set lo mtu 1228
	expect 0 "$SOJOURN" doctor $LOGIN "$TARGET"
	step ok mtu "1200 bytes get there whole \(path mtu 1228\)"
	ip link set lo mtu 1227
	expect 1 "$SOJOURN" doctor $LOGIN "$TARGET"
	step FAILED mtu "1200 bytes do not get there whole \(path mtu 1227\)"
	step ok user
	says err "sojourn: network: mtu: "
	says err "  next: raise the mtu"
	ip link set lo mtu 65536
	gone
	narrow_way
	exit 0
fi
SPACE='unshare -n'
[ "$(id -u)" = 0 ] || SPACE='unshare -Urn'
if $SPACE true 2>/dev/null; then
	IN_SPACE=1 $SPACE bash "$SELF" || [ $? = 77 ] || fail "in a network of its own"
else
	echo "no network namespace: routes and small mtus are not tested"
fi

# --- nobody there --------------------------------------------------------------
expect 255 "$SOJOURN" doctor
expect 255 "$SOJOURN" doctor a@
says err "is not a target"
expect 1 "$SOJOURN" doctor no-such-host.invalid
step FAILED name "no-such-host.invalid: "
step - route "needs name"
step - user "needs name"
says err "sojourn: network: name: no-such-host.invalid: "
says err "  next: check "
expect 1 "$SOJOURN" doctor 255.255.255.255
step ok name
step FAILED route "none to 255.255.255.255"
step - udp "needs route"
says err "sojourn: network: route: "
says err "  next: check that this machine is on a network"

peer closed
wait $SERVER_PID
SERVER_PID=
expect 1 "$SOJOURN" doctor "127.0.0.1:$PEER"
step ok route "from 127.0.0.1 by lo"
step FAILED udp "no server on udp port $PEER"
step - mtu "needs udp"
step - user "needs udp"
says err "sojourn: network: udp: "
says err "  next: start \`sojourn serve\` there"
grep -q ping out && fail "pings without an answer"
for kind in silent unasked short; do
	peer $kind
	expect 1 "$SOJOURN" doctor --timeout 1 "127.0.0.1:$PEER"
	step FAILED udp "nobody answers on udp port $PEER in 1.0 s"
	says err "  next: check that \`sojourn serve\` runs there on udp port $PEER"
	gone
done
peer version
expect 1 "$SOJOURN" doctor "127.0.0.1:$PEER"
step FAILED udp "no protocol version in common"
says err "  next: update the older one"
gone

# --- with a server -------------------------------------------------------------
start_server
# a key that is not known: it is shown, not asked about, and not taken
expect 1 "$SOJOURN" doctor -i "$HOME/key" "$TARGET"
step ok name "$ME@$TARGET"
step ok udp "127.0.0.1 answers on port $PORT"
step - tcp
step ok mtu "1452 bytes get there whole"
step - clock
step FAILED key "is not known: it shows SHA256:"
says out "it shows $SERVER_KEY"
step - user
grep -q "ping   5 of 5 answered, round trip min" out || fail "no pings"
says err "sojourn: login: key: the key of 127.0.0.1 is not known"
says err "  next: compare it with"
expect 0 "$SOJOURN" key known
[ ! -s out ] || fail "the key was taken"
expect 0 "$SOJOURN" doctor -o StrictHostKeyChecking=accept-new "$TARGET"
step ok key "a login will take it unasked"
expect 0 "$SOJOURN" key known
[ ! -s out ] || fail "the key was taken"

# all is well: a login is tried, and nothing is left of it
expect 0 "$SOJOURN" login -o StrictHostKeyChecking=accept-new -i "$HOME/key" \
    "$TARGET"
expect 0 "$SOJOURN" logout "$TARGET"
expect 0 "$SOJOURN" doctor -i "$HOME/key" "$TARGET"
step ok clock "to the second|server"
step ok key "SHA256:.*, known from line 1 of known_hosts"
says out "$SERVER_KEY, known"
step ok user "$ME logs in with ssh-ed25519 SHA256:.*; logged out again"
says out "$(ssh-keygen -lf "$HOME/key.pub" | cut -d' ' -f2); logged"
[ ! -s err ] || fail "words: $(cat err)"
expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET"
expect 0 "$SOJOURN" list --server --json "$TARGET"
[ "$(wc -l <out)" = 1 ] || fail "a login is left: $(cat out)"
expect 0 "$SOJOURN" list --json
ID=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out)

# with a login nothing is tried, by target or id
for target in "$TARGET" "$ID"; do
	expect 0 "$SOJOURN" doctor "$target"
	step ok key "SHA256:.*, that of the login"
	says out "$SERVER_KEY, that"
	step ok clock "to the second|server"
	step ok user "$ME is logged in with ssh-ed25519 .*, id $ID"
	grep -q "of the login [0-9.]* ms" out || fail "no round trip of the login"
done
# but not if the agent is not to be asked: then there is no key
expect 1 "$SOJOURN" doctor --no-agent "$TARGET"
step FAILED user "no usable key"
expect 0 "$SOJOURN" doctor --json "$TARGET"
[ "$(wc -l <out)" = 9 ] || fail "not nine objects"
python3 - <<'X' || fail "--json"
import json
rows = [json.loads(line) for line in open("out")]
assert [row["step"] for row in rows] == ["name", "route", "udp", "tcp", "mtu", "clock", "key", "user", "ping"]
assert [row["state"] for row in rows[:8]] == ["ok"] * 3 + ["not done"] + ["ok"] * 4
assert rows[8]["sent"] == rows[8]["answered"] == 5
assert 0 < rows[8]["min_us"] <= rows[8]["average_us"] <= rows[8]["max_us"]
X
expect 0 "$SOJOURN" logout --all

# by a name of the configuration
mkdir -m 700 "$HOME/.ssh"
printf 'Host work\nHostName 127.0.0.1\nIdentityFile ~/key\n' >"$HOME/.ssh/config"
expect 0 "$SOJOURN" doctor "work:$PORT"
step ok name "work is $ME@127.0.0.1:$PORT"
step ok user "logs in"
echo "Host 'work" >"$HOME/.ssh/config"
expect 255 "$SOJOURN" doctor "work:$PORT"
says err "$HOME/.ssh/config:1: a quote is not closed"
rm "$HOME/.ssh/config"

# a key that is refused, one with a passphrase, none
"$SOJOURN" key new -q "$HOME/other" >/dev/null
expect 1 "$SOJOURN" doctor -i "$HOME/other" "$TARGET"
step ok key
step ok clock
step FAILED user "127.0.0.1 refused $ME with key SHA256:.* \($HOME/other\)"
says err "sojourn: login: user: 127.0.0.1 refused"
says err "  next: see that the user is right"
cp "$HOME/key" "$HOME/locked"
ssh-keygen -q -p -f "$HOME/locked" -N secret >/dev/null || fail ssh-keygen
expect 0 setsid -w "$SOJOURN" doctor -i "$HOME/locked" "$TARGET"
step - user "$HOME/locked: it has a passphrase"
expect 1 "$SOJOURN" doctor -i "$HOME/missing" "$TARGET"
step FAILED user "$HOME/missing: "

# two clocks
apart() {	# CODE SECONDS
	CLOCK_OFF_S=$2 expect "$1" env LD_PRELOAD="$CLOCK_OFF" "$SOJOURN" \
	    doctor -i "$HOME/key" "$TARGET"
}
apart 0 100
step ok clock "(99|100|101) s ahead of the server"
apart 1 4000
step FAILED clock "this machine is (3999|4000|4001) s ahead of the server"
step ok user
NEXT="set the clock of whichever is wrong"
said_of SJ_ERR_CLOCK err
unset NEXT
says err "sojourn: local: clock: "
apart 1 -4000
step FAILED clock "this machine is (3999|4000|4001) s behind the server"

# another key than the known one, and than the pinned one
expect 1 "$SOJOURN" doctor -i "$HOME/key" "$TARGET" \
    --server-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
step FAILED key "is not the pinned one: pinned SHA256:AAAA.*, offered SHA256:"
sed -i 's/ [A-Za-z0-9+/]\{9\}/ AAAAAAAAA/' "$XDG_STATE_HOME/sojourn/known_hosts"
expect 1 "$SOJOURN" doctor -i "$HOME/key" "$TARGET"
step FAILED key "the key of 127.0.0.1 CHANGED: known SHA256:.* \(line 1 of known_hosts\), now SHA256:"
says out "now $SERVER_KEY"
step - user
says err "sojourn: login: key: "
says err "  next: compare with"
echo ok

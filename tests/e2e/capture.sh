#!/bin/bash
# SPDX-License-Identifier: ISC
# What an observer of the network sees of three logins with a transfer each:
# tshark records them, capture.py looks at every datagram. The first client does
# not know the server's key (NX), the others do (NK). It needs a network
# namespace of its own and the right to capture in it.
skip() {
	echo "SKIPPED: $*"
	exit 77
}
command -v tshark >/dev/null || skip "there is no tshark"
if [ "$(id -u)" = 0 ]; then
	unshare -n true || skip "no network namespace can be made"
	export OWN_NET=1
	CAPABILITIES=+net_raw,+net_admin
elif [ -z "${OWN_NET:-}" ]; then
	own='unshare -U -n --map-current-user --keep-caps'
	$own true || skip "no user and network namespace can be made"
	OWN_NET=1 exec $own sh -c 'ip link set lo up && exec bash "$@"' sh \
	    "$0" "$@"
fi
. "$(dirname "$0")/common.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
cd "$HERE" || exit 1
ip link set lo mtu 1500 gso_max_segs 1 ||
    skip "trains on loopback stay trains"
cd "$WORK" || exit 1

SERVICE=beekeeper-ledger
FILE=honey-prices-of-1887.txt
yes 'the lime blossom yields the palest honey of the year' | head -c 30000 >"$FILE"
new_key "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
start_server --service "$SERVICE=exec:/bin/cat"
# the name a client gives the server is in the login, too
TARGET="localhost:$PORT"

tshark -n -i lo -f "udp port $PORT" -w capture.pcapng >tshark.log 2>&1 &
TSHARK=$!
recorded() {	# TEXT: a datagram with it has gone and was written down
	kill -0 "$TSHARK" 2>/dev/null || {
		cat tshark.log >&2
		grep -qi permi tshark.log && skip "this user may not capture"
		fail "tshark ended"
	}
	echo "$1" >"/dev/udp/127.0.0.1/$PORT"
	grep -qa "$1" capture.pcapng 2>/dev/null
}
until_true recorded the-capture-begins
IDS=
for i in 1 2 3; do
	expect 0 "$SOJOURN" login --json \
	    -o StrictHostKeyChecking=accept-new "$TARGET"
	IDS="$IDS $(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out)"
	limited "$SOJOURN" open "$TARGET" "$SERVICE" <"$FILE" >back ||
	    fail "the service"
	cmp -s back "$FILE" || fail "what came back differs"
	expect 0 "$SOJOURN" copy -P "$PORT" "$FILE" "localhost:$FILE.$i"
	cmp -s "$HOME/$FILE.$i" "$FILE" || fail "what was copied differs"
	expect 0 "$SOJOURN" logout --all
	expect 0 "$SOJOURN" agent --stop
done
until_true recorded the-capture-ends
kill -INT "$TSHARK"
wait "$TSHARK"
tshark -n -r capture.pcapng -T fields -e udp.srcport -e udp.dstport \
    -e udp.payload >datagrams 2>tshark.log || {
	cat tshark.log >&2
	fail "tshark does not read what it wrote"
}
{
	printf 'service\t%s\n' "$SERVICE"
	printf 'user\t%s\n' "$ME"
	printf 'server name\tlocalhost\n'
	printf 'application\tsojourn\n'
	printf 'file\t%s\n' "$FILE"
	printf 'content\tpalest honey\n'
	printf 'built-in service\tfiles\n'
	printf 'mechanism\tpublickey\n'
	printf 'session\t%s\n' $IDS
	printf 'key type\tssh-ed25519\n'
	printf 'base64 key\t%s\n' "$(cut -d' ' -f2 <"$HOME/.ssh/id_ed25519.pub")"
	printf 'base64 server key\t%s\n' "$SERVER_KEY"
} >words
python3 "$HERE/capture.py" "$PORT" datagrams words || fail "see above"
echo ok

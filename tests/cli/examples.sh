#!/bin/sh
# SPDX-License-Identifier: ISC
# examples.sh - examples/echod and examples/echo as the header's manual has them
set -eu
# The example has the default port in its text: a network of its own, where
# that can be had, else one copy at a time.
if [ -z "${APART:-}" ]; then
	for way in 'unshare -n' 'unshare -rn'; do
		$way true 2>/dev/null || continue
		APART=1 exec timeout -k 5 100 $way \
		    sh -c 'ip link set lo up; exec sh "$0"' "$0"
	done
fi
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export HOME="$work"
unset SSH_AUTH_SOCK
mkdir -m 700 .ssh
ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
cp .ssh/id_ed25519.pub authorized_keys
chmod 600 authorized_keys
if [ -z "${APART:-}" ]; then
	exec 9>/tmp/sojourn-examples.lock
	flock 9
fi
# Says nothing when it is ready: tried until it answers, ten seconds at most.
until_it() {
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] && kill -0 $server || { cat log; exit 1; }
		sleep 0.1
	done
}
is_there() { grep -qi ' *[0-9]*: 0*:1D6B ' /proc/net/udp6; }
"$ECHOD" >log 2>&1 &
server=$!
until_it is_there
answer=$(echo yes | timeout 20 "$ECHO" alice@localhost hello 2>words)
[ "$answer" = hello ] || { echo "got '$answer'"; cat words log; exit 1; }
grep -q 'is not known' words
grep -q '^localhost sojourn-x25519 ' echo-state/known_hosts
[ "$(timeout 20 "$ECHO" alice@localhost again </dev/null)" = again ]
# Another key: the change is loud and nothing is sent.
kill $server
wait $server 2>/dev/null || true
rm host.key
"$ECHOD" >log 2>&1 &
server=$!
until_it is_there
if timeout 20 "$ECHO" alice@localhost again 2>words; then
	echo "a changed key was taken"
	exit 1
fi
grep -q 'CHANGED: known SHA256:.*(line 1 of known_hosts), now SHA256:' words
# A key that is not in the file is refused.
ssh-keygen -q -t ed25519 -N '' -f other
mv other .ssh/id_ed25519
rm -r echo-state
if echo yes | timeout 20 "$ECHO" alice@localhost again 2>words; then
	exit 1
fi
grep -q 'refused' words
# So is one whose line has an option.
(printf 'no-pty '; cat other.pub) >authorized_keys
if echo yes | timeout 20 "$ECHO" alice@localhost again 2>words; then
	exit 1
fi
grep -q 'refused' words
cat other.pub >authorized_keys
[ "$(echo yes | timeout 20 "$ECHO" bob@localhost again 2>/dev/null)" = again ]
echo ok

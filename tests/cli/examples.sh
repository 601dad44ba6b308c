#!/bin/sh
# SPDX-License-Identifier: ISC
# examples.sh - examples/echod and examples/echo as the header's manual has them
set -eu
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export HOME="$work"
unset SSH_AUTH_SOCK
mkdir -m 700 .ssh
ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
cp .ssh/id_ed25519.pub authorized_keys
chmod 600 authorized_keys
# The example has the default port in its text: one copy at a time.
exec 9>/tmp/sojourn-examples.lock
flock 9
"$ECHOD" >log 2>&1 &
server=$!
answer=
for _ in 1 2 3 4 5 6 7 8 9 10; do
	sleep 0.2
	answer=$(echo yes | timeout 20 "$ECHO" alice@localhost hello 2>words) && break
	kill -0 $server || { cat log; exit 1; }
done
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
sleep 0.3
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

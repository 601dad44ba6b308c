#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# demo.sh BUILD - the main job on real data, as far as this version has it
#
# A server with its SQLite store, a login with a throw-away ssh key, a real
# file through a stream and back with its checksum, what a login and a stream
# cost, and a world of clients on a bad network.
set -eu
build=$(readlink -f "$1")
work=$(mktemp -d "$HOME/demo.XXXXXX")
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
export HOME="$work"
mkdir -m 700 .ssh
ssh-keygen -q -t ed25519 -N '' -f .ssh/id_ed25519
cp .ssh/id_ed25519.pub authorized_keys
chmod 600 authorized_keys

echo "== a server: host key and SQLite store made at the first start"
"$build/examples/echod" &
server=$!
sleep 0.5
ls -l host.key logins.db

echo "== a login with a throw-away ssh key, the server's key trusted on first use"
echo yes | "$build/examples/echo" demo@localhost 'hello from a stream'
echo
cat echo-state/known_hosts

echo "== a second login: the key is known, nothing is asked"
"$build/examples/echo" demo@localhost 'hello again'
echo
kill "$server"
wait "$server" 2>/dev/null || true
server=

echo "== what a login and a stream cost, in flights of 50 ms"
"$build/tests/sojourn-flights"

echo "== three clients on a network that loses, corrupts and reorders (seed 12)"
"$build/tests/sojourn-sim" 12 | sed -n '1p;$p'

echo "== bulk: 16 KiB writes through a login, every byte checked; TLS 1.3 beside it"
cd "$build/../.."
python3 bench/bench.py --build "$build" bulk --quick

#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
# demo.sh BUILD - the main job on real data, from nothing
#
# A server with its SQLite store and a service of its own, one login with a
# throw-away key; over that login a tree of thousands of real files and a file
# of 1 GiB go both ways, compared, while the service answers all the time on
# another stream. Then a logout, and what is left of the login: nothing.
# Writes below $HOME only. Exit 0 only if all of it held.
set -eu
build=$(readlink -f "$1")
source=$(readlink -f "$build/../..")
PATH="$build/src:$PATH"
work=$(mktemp -d "$HOME/demo.XXXXXX")
server= asker=
finish() {
	code=$?
	touch "$work/stop"
	sojourn agent --stop >/dev/null 2>&1 || true
	for pid in $asker $server; do kill "$pid" 2>/dev/null || true; done
	[ $code = 0 ] || tail -n 5 "$work"/*.log 2>/dev/null || true
	rm -rf "$work"
	[ $code = 0 ] || echo "THE DEMO FAILED" >&2
	exit $code
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
say() { printf '\n== %s\n' "$*"; }
cd "$work"
free=$(df --output=avail -k . | tail -n 1)
[ "$free" -gt 4194304 ] || fail "4 GiB of free disk space are needed here"
export HOME="$work/home" XDG_STATE_HOME="$work/state" XDG_RUNTIME_DIR="$work/run"
export LC_ALL=C
unset SSH_AUTH_SOCK
mkdir -m 700 "$HOME" "$HOME/.ssh" state run

say "a throw-away key, and a service in four lines of shell"
sojourn key new -q "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
cat >answer <<'S'
#!/bin/sh
while read -r number; do
	echo "$number for $SOJOURN_USER"
done
S
chmod +x answer
cat answer

say "a server on a free port; its host key and its SQLite store are made"
sojourn serve --json -v --listen 127.0.0.1:0 --service answer=exec:./answer \
    >server.out 2>server.log &
server=$!
tries=0
until [ -s server.out ]; do
	kill -0 $server 2>/dev/null || fail "the server does not start"
	[ $((tries += 1)) -le 200 ] || fail "the server does not start"
	sleep 0.05
done
port=$(sed 's/.*"port":\([0-9]*\).*/\1/' server.out)
key=$(sed 's/.*"key":"\([^"]*\)".*/\1/' server.out)
target=127.0.0.1:$port
sed -n 's/^sojourn: //p' server.log
ls state/sojourn

say "one login; the server's key is pinned"
sojourn login --server-key "$key" --json "$target" >login.json
id=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' login.json)
user=$(sed 's/.*"user":"\([^"]*\)".*/\1/' login.json)
sojourn list

# Asks the service as long as the copies go on, and measures.
ask() {
	local count=0 worst=0 begun took reply
	mkfifo questions answers
	sojourn open "$target" answer <questions >answers 2>open.log &
	exec 8>questions 9<answers
	while [ ! -e stop ]; do
		begun=${EPOCHREALTIME/./}
		echo $count >&8
		read -r -t 30 reply <&9 || return 1
		took=$((${EPOCHREALTIME/./} - begun))
		[ "$reply" = "$count for $user" ] || return 1
		[ $took -le $worst ] || worst=$took
		count=$((count + 1))
		echo "$count $worst" >asked.new
		mv asked.new asked
		sleep 0.02
	done
	exec 8>&-
	wait
}
ask 2>asker.log &
asker=$!
asked() { cut -d ' ' -f 1 asked 2>/dev/null || echo 0; }

# copy WHAT WORDS...: with its rate; the service has answered meanwhile
copy() {
	local what=$1 before code=0
	shift
	before=$(asked)
	timeout 80 sojourn copy -P "$port" --json "$@" >copy.json 2>copy.log ||
	    fail "copy $*: $(cat copy.log)"
	tail -n 1 copy.json | sed "s/{\"files\":\([0-9]*\),\"failed\":0,\"bytes\":\([0-9]*\),\"seconds\":\([0-9.]*\),\"bytes_per_second\":\([0-9]*\)}/\1 \2 \3 \4/" |
	    awk -v what="$what" '{ printf "%-22s %5d files %7.1f MB %7.2f s %7.0f files/s %7.1f MB/s\n",
		what, $1, $2 / 1e6, $3, $1 / $3, $4 / 1e6 }'
	kill -0 $asker 2>/dev/null || fail "the service does not answer"
	[ "$(asked)" -gt "$before" ] ||
	    fail "no answer of the service while $what was on its way"
}
same() {	# TREE TREE: bytes, modes and times
	diff -r "$1" "$2" >/dev/null || fail "$1 and $2 differ"
	for tree in "$1" "$2"; do
		(cd "$tree" && find . \( -type d -printf '%P %m %T@\n' -o \
		    -printf '%P %m %T@ %s\n' \) | sort)
	done | awk '{ n[$0]++ } END { for (line in n) if (n[line] != 2) exit 1 }' ||
	    fail "modes or times of $1 and $2 differ"
}

say "a tree of real files"
mkdir tree
take() {	# FROM INTO: the files that a list on stdin names
	tar -C "$1" --format=posix --null -T - -cf - | tar -C "$2" -xpf -
}
for from in usr/include usr/share/doc usr/lib/python3 usr/share/perl; do
	[ ! -d /$from ] || (cd / &&
	    find $from -xdev -type f -readable -size -512k -print0)
done | head -z -n 4000 | take / tree
part=0
while [ "$(find tree -type f | wc -l)" -lt 3000 ]; do
	mkdir tree/source.$((part += 1))
	(cd "$source" && find src include tests examples bench -type f \
	    -readable -print0) | take "$source" tree/source.$part
done
find tree -type f | wc -l | xargs -I N echo "N files, $(du -sh tree | cut -f 1)"
say "there and back, while the service answers on another stream"
copy "tree, up" -r tree 127.0.0.1:
same tree "$HOME/tree"
copy "tree, down" -r 127.0.0.1:tree back
same tree back
head -c 1073741824 /dev/urandom >big
copy "1 GiB, up" big 127.0.0.1:
cmp big "$HOME/big" || fail "1 GiB arrived changed"
rm big
copy "1 GiB, down" 127.0.0.1:big .
cmp big "$HOME/big" || fail "1 GiB came back changed"
rm big "$HOME/big"
[ -z "$(find . -name '.sojourn-*')" ] || fail "temporary files are left"
echo "every byte, mode and time compared: the same"
touch stop
wait $asker || fail "the service stopped answering: $(cat asker.log open.log)"
asker=
read -r count worst <asked
echo "meanwhile the service answered $count times, after at most $((worst / 1000)) ms"

say "who is logged in, as the server has it"
sojourn list "$target" --server
sojourn list "$target" --server --json | grep -q "$id" || fail "not listed"

say "logged out: the login is gone, here and there"
sojourn logout "$target"
[ -z "$(sojourn list --json)" ] || fail "the agent still has a login"
sojourn login -q --server-key "$key" "$target"
sojourn list "$target" --server --json >left
! grep -q "$id" left || fail "the server still has the login"
[ "$(grep -c . left)" = 1 ] || fail "logins at the server: $(cat left)"
echo "the server knows one login, the new one that asked; $id is gone"
sojourn logout -q "$target"
kill $server
wait $server || fail "the server ends with $?"
server=

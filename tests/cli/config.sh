#!/bin/bash
# SPDX-License-Identifier: ISC
# Configuration files: what ssh makes of them, we make of them; names in them
# work with every verb; nothing in them is run.
HERE=$(readlink -f "$(dirname "$0")")
. "$HERE/common.sh"
unset XDG_CONFIG_HOME
command -v ssh >/dev/null && command -v ssh-agent >/dev/null || exit 77
mkdir -m 700 "$HOME/.ssh" "$HOME/.config" "$HOME/.config/sojourn"
SSHS="$HOME/.ssh/config" OURS="$HOME/.config/sojourn/config"

look_up() {	# NAME: into out
	expect 0 "$SOJOURN" -G "$@"
}
is() {	# LINE: of what was looked up
	grep -qxF -- "$1" out || {
		cat out >&2
		fail "no line: $1"
	}
}

# --- as ssh reads them ------------------------------------------------------
# another SEED, more of them: CONFIG_SEED=1000 CONFIG_COUNT=1000
mkdir random
python3 "$HERE/config_random.py" "$SOJOURN" "$WORK/random" \
    "${CONFIG_SEED:-1}" "${CONFIG_COUNT:-40}" || fail "not as ssh has it"

# tokens, home and variables in names of files: where ssh looks for keys
REAL_HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
export KEYS="$WORK/keys %h"
mkdir "$KEYS" "$KEYS/x"
cat >tokens <<'X'
Host work
	HostName %h.Example.org
	User bob
	IdentityFile "${KEYS}/x/%d-%i-%u-%r-%h-%n-%%-%l-%L"
	IdentityFile ~/no-such-file-%r
	IdentityFile "~root/no-such-file ${HOME}"
	IdentityFile none
X
HOME=$REAL_HOME ssh -v -F tokens -o ProxyCommand=false work 2>&1 </dev/null |
    sed -n '/-cert type/d; s/^debug1: identity file \(.*\) type .*/\1/p' | tr -d '\r' \
    >theirs
HOME=$REAL_HOME expect 0 "$SOJOURN" -G -v --config tokens work
sed -n 's/^IdentityFile \(.*\) is not there$/\1/p' err >own
[ -s theirs ] && cmp theirs own || {
	diff theirs own >&2
	fail "other files of keys"
}

# --- which file counts ------------------------------------------------------
cat >"$SSHS" <<'X'
Host work
	HostName there.example.org
	Port 2222
	User alice
	IdentityFile ~/.ssh/second
	ForwardAgent yes
	Frobnicate "whatever"
Host *
	User nobody
X
cat >"$OURS" <<'X'
Host work
	Port 7600
	HostName = ours.example.org
	IdentityFile ~/.ssh/first
Match host ours.example.org originalhost work
	ServerKey SHA256:abc
	ConnectTimeout 7
	Application demo
Match user carol
	StrictHostKeyChecking accept-new
	IdentitiesOnly yes
X
look_up work
is "host work"
is "hostname ours.example.org"
is "port 7600"
is "user alice"
is "application demo"
is "serverkey SHA256:abc"
is "connecttimeout 7"
is "stricthostkeychecking ask"
is "identitiesonly no"
[ "$(grep identityfile out | tr '\n' ' ')" = \
    "identityfile ~/.ssh/first identityfile ~/.ssh/second " ] ||
    fail "the files are not both there, in order: $(cat out)"
# the command line stands above both
look_up carol@work:9/other
is "user carol"
is "port 9"
is "application other"
is "stricthostkeychecking accept-new"
is "identitiesonly yes"
look_up --json work
says out '"target":"alice@ours.example.org:7600/demo"'
# --config stands for both
look_up --config none work
is "hostname work"
is "port 7531"
echo 'HostName only.example.org' >only
look_up --config only work
is "hostname only.example.org"
is "user $ME"
expect 255 "$SOJOURN" -G --config missing work
says err "sojourn: local: missing: No such file"
XDG_CONFIG_HOME=$WORK look_up work
is "hostname there.example.org"
# without ours: ssh's, but not its port
mv "$OURS" away
look_up work
is "hostname there.example.org"
is "port 7531"
rm "$SSHS"
look_up work
is "hostname work"

# --- what is no configuration -----------------------------------------------
wrong() {	# TEXT SAYS
	printf '%s\n' "$1" >"$OURS"
	expect 255 "$SOJOURN" login work
	says err "sojourn: local: $2"
	says err "  next: correct it there; \`sojourn -G TARGET\` reads it again"
	expect 255 "$SOJOURN" list --server work
	says err "$2"
}
wrong 'Frobnicate x' "$OURS:1: Frobnicate: unknown keyword"
wrong 'Host x
	Frobnicate x' "$OURS:2: Frobnicate: unknown keyword"
wrong 'Port 0' "$OURS:1: Port: 0: not a port"
wrong 'Port 7531x' "$OURS:1: Port: 7531x: not a port"
wrong 'User' "$OURS:1: User: a value is missing"
wrong 'User a b' "$OURS:1: User: more than one value"
wrong 'User a/b' "User a/b of work cannot be the name of a user"
wrong 'HostName a/b' "HostName a/b of work is not a host"
wrong 'HostName %x' "HostName %x of work is not a host"
wrong 'IdentitiesOnly maybe' "$OURS:1: IdentitiesOnly: maybe: it is yes or no"
wrong 'ConnectTimeout 0' "$OURS:1: ConnectTimeout: 0: seconds are needed"
wrong 'StrictHostKeyChecking no' \
    "$OURS:1: StrictHostKeyChecking: no: it is accept-new or ask"
wrong 'Match frob x' "$OURS:1: Match frob: unknown criterion"
wrong "User 'a" "$OURS:1: a quote is not closed"
wrong "Include $OURS" "$OURS:1: too many files include each other"
printf 'User \0a\n' >"$OURS"
expect 255 "$SOJOURN" login work
says err "$OURS:1: a NUL"
head -c 2000000 /dev/zero | tr '\0' '#' >"$OURS"
expect 255 "$SOJOURN" login work
says err "$OURS: File too large"
{ printf 'Host '; head -c 10000 /dev/zero | tr '\0' 'x'; printf '\r\n'
    printf 'User a\r\nHost work\r\nUser b\r\n'; } >"$OURS"
look_up work
is "user b"
# a key that does not exist is told by name
rm "$OURS"
for verb in key agent version; do
	expect 255 "$SOJOURN" $verb --config only
	says err "--config is not an option"
done

# others must not be able to write there; neither to what is included
for file in "$OURS" "$SSHS"; do
	echo 'User a' >"$file"
	chmod 664 "$file"
	expect 255 "$SOJOURN" -G work
	says err "$file: others can write to it"
	chmod 600 "$file"
	echo 'User a' >"$(dirname "$file")/more"
	chmod 622 "$(dirname "$file")/more"
	echo 'Include mor[e]' >"$file"
	expect 255 "$SOJOURN" -G work
	says err "$file:1: $(dirname "$file")/more: others can write to it"
	chmod 600 "$(dirname "$file")/more"
	look_up work
	is "user a"
	rm "$file"
done

# no program is run; -v says what that leaves out
cat >"$SSHS" <<X
Match exec "touch $WORK/ran"
	User mallory
Match originalhost work exec "touch $WORK/ran"
	User mallory
Match originalhost other exec "touch $WORK/ran"
	User mallory
Match final
	User mallory
Match tagged x
	User mallory
Match originalhost work
	User alice
X
look_up work
is "user alice"
[ ! -s err ] || fail "words without -v"
look_up -v work
[ "$(grep -c 'is not evaluated' err)" = 4 ] || fail "$(cat err)"
says err "$SSHS:1: Match exec is not evaluated: the block is left out"
says err "$SSHS:9: Match tagged is not evaluated"
[ ! -e ran ] || fail "Match exec was run"

# --- with a server ----------------------------------------------------------
start_server
"$SOJOURN" key new -q "$HOME/other" >/dev/null
cp "$HOME/key" "$HOME/locked"
ssh-keygen -q -p -f "$HOME/locked" -N secret >/dev/null || fail ssh-keygen
cat >"$SSHS" <<X
Host work w
	HostName 127.0.0.1
	Port 22
Host *
	IdentityFile ~/key
X
cat >"$OURS" <<X
Host work w
	Port $PORT
	ServerKey $SERVER_KEY
X
expect 0 "$SOJOURN" login --json work
says out "\"target\":\"$ME@127.0.0.1:$PORT\""
ID=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out)
expect 0 "$SOJOURN" login w
says err "already logged in"
for verb in list status; do
	expect 0 "$SOJOURN" $verb --json work
	says out "$ID"
done
expect 0 "$SOJOURN" list --server work
says out "this one"
printf hello | expect 0 "$SOJOURN" open work echo
[ "$(cat out)" = hello ] || fail "no echo"
# copy finds it, too: that the test's server has no files is another matter
expect 255 "$SOJOURN" copy only work:
says err "sojourn: stream: "
expect 0 "$SOJOURN" list --json
[ "$(wc -l <out)" = 1 ] || fail "not one login"
expect 0 "$SOJOURN" logout "127.0.0.1:$PORT"
expect 255 "$SOJOURN" logout work
expect 0 "$SOJOURN" login work
expect 0 "$SOJOURN" logout w
expect 0 "$SOJOURN" list
[ ! -s out ] || fail "still listed"

# a key that is taken unasked is known by the name that HostName gives
printf 'Host work\nPort %s\nStrictHostKeyChecking accept-new\n' "$PORT" >"$OURS"
expect 0 setsid -w "$SOJOURN" login work </dev/null
expect 0 "$SOJOURN" key known
says out "127.0.0.1"
grep -q work out && fail "known by its alias"
expect 0 "$SOJOURN" logout work
# a pin that is another one
printf 'Host work\nPort %s\nServerKey %s\n' "$PORT" \
    SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA >"$OURS"
expect 255 "$SOJOURN" login work
says err "is not the pinned one"
expect 0 "$SOJOURN" login --server-key "$SERVER_KEY" work
expect 0 "$SOJOURN" logout work

# --- several keys -----------------------------------------------------------
keys() {	# LINE...: of the host
	{
		printf 'Host work\nHostName 127.0.0.1\nPort %s\n' "$PORT"
		printf '%s\n' "$@"
	} >"$OURS"
}
rm "$SSHS"
keys 'IdentityFile ~/other' 'IdentityFile ~/missing' 'IdentityFile ~/key'
expect 0 "$SOJOURN" login --json work
says out "$(ssh-keygen -lf "$HOME/key.pub" | cut -d' ' -f2)"
expect 0 "$SOJOURN" logout work
# a relative one is relative to here, also for the agent, which is elsewhere
keys 'IdentityFile home/key'
expect 0 "$SOJOURN" login work
expect 0 "$SOJOURN" logout work
expect 0 "$SOJOURN" -G -v work
says out "key $WORK/home/key"
# too long together for the agent: said so, and not that there are too many
mkdir -p "$(printf 'd%.0s' {1..200})"/{a,b,c}
cp "$HOME/key" "$(printf 'd%.0s' {1..200})/a"
cp "$HOME/key" "$(printf 'd%.0s' {1..200})/b"
cp "$HOME/key" "$(printf 'd%.0s' {1..200})/c"
keys "IdentityFile $(printf 'd%.0s' {1..200})/"{a,b,c}/key
expect 0 "$SOJOURN" -G -v work
says err "/c/key is left out: the names of all keys together are too long"
keys 'IdentityFile ~/other' 'IdentityFile ~/missing' 'IdentityFile ~/key'
# the one that was named is the only one
expect 255 "$SOJOURN" login -i "$HOME/other" work
says err "refused"
# both are named where both are refused
cp "$HOME/other" "$HOME/third"
keys 'IdentityFile ~/other' 'IdentityFile ~/third'
expect 255 "$SOJOURN" login work
says err "($HOME/other), key "
says err "($HOME/third)"
keys 'IdentityFile ~/missing' 'IdentitiesOnly yes'
expect 255 "$SOJOURN" login work
says err "$HOME/missing"
# a passphrase that nobody gives is no end
keys 'IdentityFile ~/locked' 'IdentityFile ~/key'
expect 0 setsid -w "$SOJOURN" login work </dev/null
expect 0 "$SOJOURN" logout work
keys 'IdentityFile ~/other' 'IdentityFile ~/locked'
expect 255 setsid -w "$SOJOURN" login work </dev/null
says err "refused"
# what ssh-agent holds comes after the files, unless that is not wanted
eval "$(ssh-agent -a "$WORK/ssh.sock")" >/dev/null
trap 'kill $SSH_AGENT_PID; cleanup' EXIT
keys 'IdentityFile ~/other'
expect 255 "$SOJOURN" login work
ssh-add -q "$HOME/key" 2>/dev/null || fail ssh-add
expect 0 "$SOJOURN" login work
expect 0 "$SOJOURN" logout work
# whichever of them it is
ssh-add -q -d "$HOME/key" 2>/dev/null
ssh-add -q "$HOME/third" 2>/dev/null
ssh-add -q "$HOME/key" 2>/dev/null || fail ssh-add
expect 0 "$SOJOURN" login work
expect 0 "$SOJOURN" logout work
keys 'IdentityFile none'
expect 0 "$SOJOURN" login work
expect 0 "$SOJOURN" logout work
keys 'IdentityFile ~/other' 'IdentitiesOnly yes'
expect 255 "$SOJOURN" login work
says err "refused"
# its copy of a file with a passphrase needs no passphrase
keys 'IdentityFile ~/locked' 'IdentitiesOnly yes'
expect 0 setsid -w "$SOJOURN" login work </dev/null
expect 0 "$SOJOURN" logout work
echo ok

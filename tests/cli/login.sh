#!/bin/bash
# SPDX-License-Identifier: ISC
# A login, what it carries, and its end.
. "$(dirname "$0")/common.sh"
start_server
LOGIN="-i $HOME/key --server-key $SERVER_KEY"

expect 0 "$SOJOURN" list
[ ! -s out ] || fail "a list without logins"
expect 0 "$SOJOURN" agent
says out "not running"

expect 0 "$SOJOURN" login $LOGIN --json "$TARGET"
says out "\"target\":\"$ME@$TARGET\""
says out '"state":"live"'
says out "\"server_key\":\"$SERVER_KEY\""
ID=$(sed 's/.*"id":"\([0-9a-f]*\)".*/\1/' out)
[ ${#ID} = 16 ] || fail "no id"

# the same place again: the same login
expect 0 "$SOJOURN" login "$TARGET"
says err "already logged in"
expect 0 "$SOJOURN" list --json
[ "$(wc -l <out)" = 1 ] || fail "not one login"
says out "$ID"
expect 0 "$SOJOURN" agent --json
says out '{"running":true,"sessions":1}'

# streams: pipes, files, both ends, by id
printf hello | expect 0 "$SOJOURN" open "$TARGET" echo
[ "$(cat out)" = hello ] || fail "echo of a pipe"
head -c 3000000 /dev/urandom >big
timeout 20 "$SOJOURN" open "$ID" echo <big >back || fail "echo of a file"
cmp big back || fail "the echo of a file differs"
timeout 20 "$SOJOURN" open "$TARGET" sink <big >count || fail "sink"
[ "$(cat count)" = 3000000 ] || fail "sink counted $(cat count)"
expect 0 "$SOJOURN" open --json "$TARGET" source </dev/null
[ "$(wc -c <out)" = 1048576 ] || fail "source"
says err '"result":"SJ_OK","code":0,"bytes_in":1048576,"bytes_out":0'
cat big | timeout 20 "$SOJOURN" open "$TARGET" echo | cmp - big ||
    fail "echo through pipes"

# appended output stays appended
echo first >appended
echo second | timeout 20 "$SOJOURN" open "$TARGET" echo >>appended
[ "$(cat appended)" = "first
second" ] || fail "O_APPEND is lost"

# what goes wrong with a stream is no matter for the login
expect 255 "$SOJOURN" open "$TARGET" nothing </dev/null
says err "sojourn: stream: service nothing: "
says err "  next: check the name of the service"
expect 255 "$SOJOURN" open "$TARGET" break </dev/null
says err "code 77"
timeout 20 "$SOJOURN" open "$TARGET" source </dev/null 2>err | head -c 10 >/dev/null

# a command that dies takes its streams with it, not the login
mkfifo held
exec 9<>held
"$SOJOURN" open "$TARGET" echo <held >/dev/null 2>&1 9>&- &
OPEN=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
	"$SOJOURN" status --json "$TARGET" | grep -q '"streams":1' && break
	sleep 0.1
done
kill -KILL $OPEN
wait $OPEN 2>/dev/null
sleep 0.2
exec 9>&-
expect 0 "$SOJOURN" status --json "$TARGET"
says out '"streams":0'
says out '"transport":"udp"'
expect 0 "$SOJOURN" status
says out "rtt"
expect 255 "$SOJOURN" status bob@elsewhere
says err "sojourn: session: there is no login to bob@elsewhere"

expect 0 "$SOJOURN" list --server
says out "$ID"
says out "this one"

expect 0 "$SOJOURN" logout -v "$ID"
says err "logged out"
expect 0 "$SOJOURN" list
[ ! -s out ] || fail "still listed"
expect 255 "$SOJOURN" logout "$TARGET"
says err "sojourn: session: there is no login to $TARGET"
says err "  next: sojourn list"
# the agent has gone with its last login
for i in 1 2 3 4 5 6 7 8 9 10; do
	sleep 0.2
	"$SOJOURN" agent | grep -q "not running" && break
done
[ ! -e "$XDG_RUNTIME_DIR/sojourn/agent" ] || fail "the agent stays"

# two first commands at once: one agent, one login
"$SOJOURN" login $LOGIN "$TARGET" 2>one & first=$!
"$SOJOURN" login $LOGIN "$TARGET" 2>two & second=$!
wait $first || fail "the first of two: $(cat one)"
wait $second || fail "the second of two: $(cat two)"
expect 0 "$SOJOURN" agent
says out "running, 1 login"
expect 0 "$SOJOURN" logout --all

# without the agent
printf hello | expect 0 "$SOJOURN" open --no-agent $LOGIN "$TARGET" echo
[ "$(cat out)" = hello ] || fail "echo without the agent"
expect 0 "$SOJOURN" list
[ ! -s out ] || fail "a login stays behind"
echo ok

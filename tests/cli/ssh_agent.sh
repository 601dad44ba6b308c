#!/bin/bash
# SPDX-License-Identifier: ISC
# Keys come from the ssh-agent of the command that logs in, not from that of
# the one that happened to start our agent; then from ~/.ssh/id_ed25519.
. "$(dirname "$0")/common.sh"
command -v ssh-agent >/dev/null && command -v ssh-add >/dev/null || exit 77
start_server
PIN="--server-key $SERVER_KEY"

"$SOJOURN" agent --run -q 2>/dev/null &
RUNS=$!
for i in 1 2 3 4 5 6 7 8 9 10; do
	"$SOJOURN" agent | grep -q running, && break
	sleep 0.1
done
expect 255 "$SOJOURN" agent --run
says err "an agent is running already"

expect 255 "$SOJOURN" login $PIN "$TARGET"
says err "sojourn: login: "
eval "$(ssh-agent -a "$WORK/ssh.sock")" >/dev/null
trap 'kill $SSH_AGENT_PID; cleanup' EXIT
ssh-add -q "$HOME/key" 2>/dev/null || fail ssh-add
expect 0 "$SOJOURN" login $PIN "$TARGET"
expect 0 "$SOJOURN" logout "$TARGET"
# named by its public half
mv "$HOME/key" "$HOME/gone"
expect 0 "$SOJOURN" login $PIN -i "$HOME/key.pub" "$TARGET"
expect 0 "$SOJOURN" logout "$TARGET"
unset SSH_AUTH_SOCK
expect 255 "$SOJOURN" login $PIN "$TARGET"
mkdir -m 700 "$HOME/.ssh"
mv "$HOME/gone" "$HOME/.ssh/id_ed25519"
mv "$HOME/key.pub" "$HOME/.ssh/id_ed25519.pub"
expect 0 "$SOJOURN" login $PIN "$TARGET"
expect 0 "$SOJOURN" agent --stop
wait $RUNS || fail "the agent did not end well"
expect 0 "$SOJOURN" agent
says out "not running"
echo ok

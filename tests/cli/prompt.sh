#!/bin/bash
# SPDX-License-Identifier: ISC
# The question for the key of a server not known yet, on a terminal.
. "$(dirname "$0")/common.sh"
command -v python3 >/dev/null || exit 77
start_server

# answer TEXT: logs in on a terminal, answers the question; the exit code.
answer() {
	timeout 30 python3 - "$1" "$SOJOURN" login -i "$HOME/key" "$TARGET" \
	    >out 2>err <<-'EOF'
	import os, pty, sys
	pid, fd = pty.fork()
	if pid == 0:
	    os.execv(sys.argv[2], sys.argv[2:])
	seen, answered = b'', False
	while True:
	    try:
	        data = os.read(fd, 4096)
	    except OSError:
	        break
	    if not data:
	        break
	    seen += data
	    if b'? ' in seen and not answered:
	        answered = True
	        os.write(fd, sys.argv[1].encode() + b'\n')
	sys.stdout.write(seen.decode())
	sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
	EOF
}

answer no && fail "no is taken for yes"
says out "$SERVER_KEY"
says out "sojourn: login: "
answer "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" &&
    fail "another fingerprint is taken for yes"
expect 0 "$SOJOURN" key known
[ ! -s out ] || fail "the key is known in spite of no"
answer "$SERVER_KEY" || { cat out err; fail "the fingerprint is not taken"; }
says out "logged in to"
expect 0 "$SOJOURN" key known
says out "$SERVER_KEY"
expect 0 "$SOJOURN" logout --all
# known now: there is no question
expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET" </dev/null
rm "$XDG_STATE_HOME/sojourn/known_hosts"
expect 0 "$SOJOURN" logout --all
answer yes || fail "yes is not taken"

# Two want the same login. One is asked and interrupts that: the other is asked.
rm "$XDG_STATE_HOME/sojourn/known_hosts"
expect 0 "$SOJOURN" logout --all
timeout 30 python3 - "$SOJOURN" login -i "$HOME/key" "$TARGET" >out 2>err <<-'EOF'
	import os, pty, sys, time
	def start():
	    pid, fd = pty.fork()
	    if pid == 0:
	        os.execv(sys.argv[1], sys.argv[1:])
	    return pid, fd
	def read(fd, until):
	    seen = b''
	    try:
	        while until not in seen and (data := os.read(fd, 4096)):
	            seen += data
	    except OSError:
	        pass
	    return seen
	first, at = start()
	assert b'? ' in read(at, b'? ')
	second, other = start()
	time.sleep(0.5)  # it waits by now; else it is asked as the first one was
	os.write(at, b'\x03')
	read(at, b'never')
	assert os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == -2
	print(read(other, b'? ').decode())
	os.write(other, b'yes\n')
	print(read(other, b'never').decode())
	sys.exit(os.waitstatus_to_exitcode(os.waitpid(second, 0)[1]))
EOF
[ $? = 0 ] || { cat out err; fail "one that waits is not asked"; }
says out "logged in to"

# What the keys were made with is told, and remembered with the server's key.
KNOWN="$XDG_STATE_HOME/sojourn/known_hosts"
expect 0 "$SOJOURN" status --json
if grep -q '"key_exchange":"x25519+mlkem768"' out; then
	grep -q ' hybrid$' "$KNOWN" || fail "the hybrid exchange is forgotten"
	# a line of before: the word is added
	sed -i 's/ hybrid$//' "$KNOWN"
	expect 0 "$SOJOURN" logout --all
	expect 0 "$SOJOURN" login -i "$HOME/key" "$TARGET" </dev/null
	grep -q ' hybrid$' "$KNOWN" || fail "the hybrid exchange is not noted"
	expect 0 "$SOJOURN" logout --all
else
	says out '"key_exchange":"x25519"'
	grep -q hybrid "$KNOWN" && fail "a hybrid exchange that was none"
	# elsewhere there was one: here the login fails, and says why
	expect 0 "$SOJOURN" logout --all
	sed -i 's/$/ hybrid/' "$KNOWN"
	expect 255 "$SOJOURN" login -i "$HOME/key" "$TARGET" </dev/null
	says err "libcrypto"
	says err "next: "
fi
echo ok

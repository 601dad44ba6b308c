#!/bin/bash
# SPDX-License-Identifier: ISC
# Keys with a passphrase: asked for on a terminal without showing it, or by
# SSH_ASKPASS; three times; never where nobody can answer.
. "$(dirname "$0")/common.sh"
command -v python3 >/dev/null && command -v ssh-keygen >/dev/null &&
    command -v setsid >/dev/null || exit 77
start_server
PIN="--server-key $SERVER_KEY"
unset DISPLAY WAYLAND_DISPLAY SSH_ASKPASS SSH_ASKPASS_REQUIRE

# typed ANSWER...: logs in with $KEY on a terminal and answers what is asked.
typed() {
	timeout 240 python3 - "$SOJOURN login $PIN -i $KEY $TARGET" "$@" \
	    >out 2>err <<-'EOF'
	import os, pty, sys, time
	command, answers = sys.argv[1].split(), sys.argv[2:]
	pid, fd = pty.fork()
	if pid == 0:
	    os.execv(command[0], command)
	seen, asked = b'', 0
	while True:
	    try:
	        data = os.read(fd, 4096)
	    except OSError:
	        break
	    if not data:
	        break
	    seen += data
	    while seen.count(b'Passphrase for key') > asked and seen.endswith(b': '):
	        word = answers[asked] if asked < len(answers) else ''
	        asked += 1
	        if word.startswith('wait '):
	            time.sleep(11)  # longer than the server is given to answer
	            word = word[5:]
	        if word == '^C':
	            os.write(fd, b'\x03')
	        elif word == '^D':
	            os.write(fd, b'\x04')
	        else:
	            os.write(fd, word.encode() + b'\n')
	sys.stdout.write(seen.decode())
	sys.stdout.write('asked %d times\n' % asked)
	sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) % 256)
	EOF
}

out_again() {
	says out "logged in to"
	grep -q secret out && fail "the passphrase is shown"
	expect 0 "$SOJOURN" logout "$TARGET"
}

KEY=$WORK/locked
ssh-keygen -q -t ed25519 -N secret -f locked || fail ssh-keygen
cp locked.pub server/authorized_keys
typed secret || { cat out err; fail "the passphrase is not taken"; }
says out "Passphrase for key $KEY: "
says out "asked 1 times"
out_again
typed wrong worse secret || { cat out err; fail "the third one is not taken"; }
says out "That is not it. Passphrase for key $KEY: "
says out "asked 3 times"
out_again
typed a b c secret && fail "a fourth one is taken"
says out "asked 3 times"
says out "the passphrase is wrong"
typed '' && fail "none is taken"
says out "asked 1 times"
says out "was not given"
typed ^D && fail "the end of the file is taken"
says out "asked 1 times"
typed ^C && fail "an interrupt is taken"
says out "asked 1 times"
typed "wait secret" || { cat out err; fail "a person is given no time"; }
out_again

# a passphrase that would be of no use is not asked for: 4097 rounds
python3 - locked odd <<-'EOF'
	import base64, os, sys
	lines = open(sys.argv[1]).read().split("\n")
	raw = bytearray(base64.b64decode("".join(lines[1:-2])))
	at = raw.index(b"bcrypt") + 6 + 4 + 4 + 16
	raw[at:at + 4] = (4097).to_bytes(4, "big")
	with open(sys.argv[2], "w", opener=lambda name, how: os.open(name, how, 0o600)) as odd:
	    print(lines[0], base64.b64encode(raw).decode(), lines[-2], sep="\n", file=odd)
EOF
KEY=$WORK/odd
typed secret && fail "4097 rounds"
says out "asked 0 times"
says out "$KEY: it is encrypted in a way that is not known here"
KEY=$WORK/locked

# other formats, and more work
for options in '-t ecdsa -b 384 -Z aes256-gcm@openssh.com -a 40' \
    '-t rsa -b 2048 -m PKCS8' '-t rsa -b 3072'; do
	rm -f locked locked.pub
	ssh-keygen -q $options -N secret -f locked || fail "ssh-keygen $options"
	cp locked.pub server/authorized_keys
	typed secret || { cat out err; fail "$options"; }
	out_again
done

# nobody to ask
expect 255 setsid -w "$SOJOURN" login $PIN -i locked "$TARGET"
says err "it has a passphrase, which was not given"

# a program asks
cat >askpass <<-'X'
	#!/bin/sh
	echo "$1" >>"$ASKED"
	n=$(wc -l <"$ASKED")
	[ "$n" -ge "${AFTER:-1}" ] && echo secret || echo wrong
X
chmod +x askpass
export ASKED=$WORK/asked SSH_ASKPASS=$WORK/askpass
by_program() {	# how often it is asked
	rm -f asked
	expect 0 setsid -w "$SOJOURN" login $PIN -i locked "$TARGET"
	expect 0 "$SOJOURN" logout "$TARGET"
	[ "$(wc -l <asked)" = "$1" ] || fail "asked $(wc -l <asked) times"
}
# ...not without a display, unless forced
expect 255 setsid -w "$SOJOURN" login $PIN -i locked "$TARGET"
DISPLAY=:7 by_program 1
says asked "Passphrase for key $WORK/locked: "
SSH_ASKPASS_REQUIRE=force by_program 1
# who started us may have wanted to hear of no children
rm -f asked
SSH_ASKPASS_REQUIRE=force expect 0 env --ignore-signal=CHLD setsid -w \
    "$SOJOURN" login $PIN -i locked "$TARGET"
expect 0 "$SOJOURN" logout "$TARGET"
cat >chatty <<-'X'
	#!/bin/sh
	echo "$1" >>"$ASKED"
	echo secret
	sleep 0.2
	echo and || exit 1
X
chmod +x chatty
SSH_ASKPASS=$WORK/chatty SSH_ASKPASS_REQUIRE=force by_program 1
AFTER=3 DISPLAY=:7 by_program 3
says asked "That is not it."
AFTER=9 SSH_ASKPASS_REQUIRE=force expect 255 setsid -w "$SOJOURN" login $PIN \
    -i locked "$TARGET"
says err "the passphrase is wrong"
DISPLAY=:7 SSH_ASKPASS_REQUIRE=never expect 255 setsid -w "$SOJOURN" login \
    $PIN -i locked "$TARGET"
export DISPLAY=:7
SSH_ASKPASS_REQUIRE=prefer typed && says out "asked 0 times"
out_again
typed secret || fail "a display counts more than a terminal"
says out "asked 1 times"
out_again
SSH_ASKPASS=/nonexistent expect 255 setsid -w "$SOJOURN" login $PIN -i locked \
    "$TARGET"
SSH_ASKPASS=/bin/false expect 255 setsid -w "$SOJOURN" login $PIN -i locked \
    "$TARGET"
unset DISPLAY

# the agent's copy needs none; ~/.ssh/id_rsa is asked for like any other
mkdir -m 700 "$HOME/.ssh"
cp locked "$HOME/.ssh/id_rsa"
expect 255 setsid -w "$SOJOURN" login $PIN "$TARGET"
says err "$HOME/.ssh/id_rsa: it has a passphrase"
SSH_ASKPASS_REQUIRE=force expect 0 setsid -w "$SOJOURN" login $PIN "$TARGET"
expect 0 "$SOJOURN" logout "$TARGET"
SSH_ASKPASS_REQUIRE=force expect 0 setsid -w "$SOJOURN" login --no-agent $PIN \
    "$TARGET"
says err ", as long as this command runs"
if command -v ssh-agent >/dev/null; then
	eval "$(ssh-agent -a "$WORK/ssh.sock")" >/dev/null
	trap 'kill $SSH_AGENT_PID; cleanup' EXIT
	SSH_ASKPASS_REQUIRE=force setsid -w ssh-add -q locked 2>/dev/null ||
	    fail ssh-add
	expect 0 setsid -w "$SOJOURN" login $PIN -i locked "$TARGET"
	expect 0 "$SOJOURN" logout "$TARGET"
fi
echo ok

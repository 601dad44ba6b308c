#!/bin/bash
# SPDX-License-Identifier: ISC
# Every kind of key, from its file and from a real ssh-agent; what is shown of
# it; what is not taken.
. "$(dirname "$0")/common.sh"
for tool in ssh-agent ssh-add ssh-keygen; do
	command -v $tool >/dev/null || exit 77
done
start_server
PIN="--server-key $SERVER_KEY"
trap 'kill $SSH_AGENT_PID; cleanup' EXIT
eval "$(ssh-agent -a "$WORK/ssh.sock")" >/dev/null
SOCKET=$SSH_AUTH_SOCK

# logs_in TYPE FILE: by the file alone, then by the agent alone.
logs_in() {
	local fingerprint
	fingerprint=$(ssh-keygen -l -f "$2.pub" | cut -d' ' -f2)
	cp "$2.pub" server/authorized_keys
	for file in "$2" "$2.pub"; do
		expect 0 "$SOJOURN" key show "$file"
		says out "$fingerprint  $1  "
	done
	unset SSH_AUTH_SOCK
	expect 0 "$SOJOURN" login --json $PIN -i "$2" "$TARGET"
	says out "\"credential\":\"$1 $fingerprint\""
	expect 0 "$SOJOURN" logout "$TARGET"
	export SSH_AUTH_SOCK=$SOCKET
	ssh-add -q "$2" 2>/dev/null || fail "ssh-add $2"
	expect 0 "$SOJOURN" login --json $PIN "$TARGET"
	says out "\"credential\":\"$1 $fingerprint\""
	expect 0 "$SOJOURN" logout "$TARGET"
	mv "$2" gone
	expect 0 "$SOJOURN" login $PIN -i "$2.pub" "$TARGET"
	expect 0 "$SOJOURN" logout "$TARGET"
	ssh-add -q -D 2>/dev/null
	expect 255 "$SOJOURN" login $PIN -i "$2.pub" "$TARGET"
	says err "holds no private key"
	mv gone "$2"
}

make() {	# NAME OPTIONS...
	local name=$1
	shift
	ssh-keygen -q -N '' -C '' -f "$name" "$@" || fail "ssh-keygen $*"
}

make a -t ed25519
logs_in ssh-ed25519 a
for bits in 256 384 521; do
	make e$bits -t ecdsa -b $bits
	logs_in ecdsa-sha2-nistp$bits e$bits
done
make r2 -t rsa -b 2048
logs_in ssh-rsa r2
make r4 -t rsa -b 4096
logs_in ssh-rsa r4
make p -t ecdsa -m PEM
logs_in ecdsa-sha2-nistp256 p
make q -t rsa -b 2048 -m PKCS8
logs_in ssh-rsa q

# in a device: through an agent that may load its middleware
if [ -r "${SK_DUMMY:-}" ] && [ -x /usr/lib/openssh/ssh-sk-helper ]; then
	cp "$SK_DUMMY" sk_dummy.so
	export SSH_SK_PROVIDER=$WORK/sk_dummy.so
	kill $SSH_AGENT_PID
	rm -f "$WORK/ssh.sock"
	eval "$(ssh-agent -a "$WORK/ssh.sock" -P "$WORK/*")" >/dev/null
	for type in ed25519 ecdsa; do
		make sk-$type -t $type-sk -w "$SSH_SK_PROVIDER" </dev/null
		cp sk-$type.pub server/authorized_keys
		NAME=$(cut -d' ' -f1 sk-$type.pub)
		for file in sk-$type sk-$type.pub; do
			expect 0 "$SOJOURN" key show $file
			says out "$(ssh-keygen -l -f sk-$type.pub | cut -d' ' -f2)  $NAME"
		done
		expect 255 "$SOJOURN" login $PIN -i sk-$type "$TARGET"
		says err "holds no private key"
		ssh-add -q sk-$type 2>add.err ||
		    fail "ssh-add sk-$type: $(cat add.err)"
		expect 0 "$SOJOURN" login --json $PIN "$TARGET"
		says out "\"credential\":\"$NAME SHA256:"
		expect 0 "$SOJOURN" logout "$TARGET"
		expect 0 "$SOJOURN" login $PIN -i sk-$type "$TARGET"
		expect 0 "$SOJOURN" logout "$TARGET"
		ssh-add -q -D 2>/dev/null
	done
else
	echo "no FIDO keys: ssh has no helper for them"
fi

# several in the agent: those that are refused make way
cp e384.pub server/authorized_keys
ssh-add -q a e256 r2 e384 2>/dev/null || fail ssh-add
expect 0 "$SOJOURN" login --json $PIN "$TARGET"
says out ecdsa-sha2-nistp384
expect 0 "$SOJOURN" logout "$TARGET"
ssh-add -q -D 2>/dev/null

# too small a key is not even offered
make small -t rsa -b 1024
cp small.pub server/authorized_keys
expect 255 "$SOJOURN" login $PIN -i small "$TARGET"
says err "RSA of 2048 bits or more"
ssh-add -q small 2>/dev/null || fail ssh-add
expect 255 "$SOJOURN" login $PIN "$TARGET"
says err "no usable key"
# a line with options lets nobody in
echo "no-pty $(cat e256.pub)" >server/authorized_keys
expect 255 "$SOJOURN" login $PIN -i e256 "$TARGET"
says err "refused"

# the files that ssh looks for
unset SSH_AUTH_SOCK
mkdir -m 700 "$HOME/.ssh"
cp r2 "$HOME/.ssh/id_rsa"
cp r2.pub server/authorized_keys
expect 0 "$SOJOURN" login --json $PIN "$TARGET"
says out ssh-rsa
expect 0 "$SOJOURN" logout "$TARGET"
cp e256 "$HOME/.ssh/id_ecdsa"
cp e256.pub server/authorized_keys
expect 0 "$SOJOURN" login --json $PIN "$TARGET"
says out ecdsa-sha2-nistp256
echo ok

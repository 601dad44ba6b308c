#!/bin/bash
# SPDX-License-Identifier: ISC
# make.sh SK_DUMMY.so - makes the files of this folder anew, with ssh-keygen
set -eu
cd "$(dirname "$0")"
SK=$(realpath "$1")
export SSH_SK_PROVIDER=$SK
rm -f ./*.pub ./*.sig
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

make() {	# NAME OPTIONS...
	local name=$1
	shift
	ssh-keygen -q -N '' -C "$name" -f "$WORK/$name" "$@" </dev/null
	printf 'message' >"$WORK/message"
	ssh-keygen -q -Y sign -f "$WORK/$name" -n sojourn-login-v1 \
	    "$WORK/message" </dev/null
	mv "$WORK/message.sig" "$name.sig"
	cp "$WORK/$name.pub" "$name.pub"
}

make ed25519 -t ed25519
make ecdsa-256 -t ecdsa -b 256
make ecdsa-384 -t ecdsa -b 384
make ecdsa-521 -t ecdsa -b 521
make rsa-2048 -t rsa -b 2048
make rsa-3072 -t rsa -b 3072
make rsa-4096 -t rsa -b 4096
make sk-ed25519 -t ed25519-sk -w "$SK"
make sk-ecdsa -t ecdsa-sk -w "$SK"
make sk-other -t ed25519-sk -w "$SK" -O application=ssh:elsewhere
# good signatures that are refused
make refused-rsa-1024 -t rsa -b 1024
SK_DUMMY_FLAGS=0 make refused-absent-ed25519 -t ed25519-sk -w "$SK"
SK_DUMMY_FLAGS=4 make refused-absent-ecdsa -t ecdsa-sk -w "$SK"

#!/bin/bash
# SPDX-License-Identifier: ISC
# Copies with a server that gives what it likes, and with a client that sends
# what it likes: nothing outside the target, no part of a file under its name,
# nothing that drives a terminal, and words for all of it.
. "$(dirname "$0")/common.sh"
LONG=$(printf 'l%.0s' $(seq 255))

# What a tree holds, but for a directory to look into.
content() { (cd "$1" && find . -mindepth 1 | sort | tr '\n' ' '); }

# --- a server that gives --------------------------------------------------

case_down_other_names() {
	copyist <<-X
	heard 2
	entry y 0 1 0 0
	entry ../x 0 1 1 0
	entry /x 0 1 2 0
	entry . 0 1 3 0
	entry .. 0 1 4 0
	entry - 0 1 5 0
	entry x/y 0 1 6 0
	entry x 2 1 7 0
	entry x 0 1 8 1
	entry X 0 1 9 0
	entry x 0 1 10 0
	content 1
	listed
	children 1
	status 10 0 -
	X
	mkdir into
	expect 1 $COPY 127.0.0.1:x into
	[ "$(grep -c 'gives what was not asked for' err)" = 10 ] ||
	    fail "not ten of them: $(cat err)"
	[ "$(content into)" = "./x " ] || fail "more than x: $(content into)"
	[ ! -e x ] && [ ! -e y ] || fail "beside the target"
	copyist_ends
}

case_down_out_of_the_tree() {
	mkdir into outside
	mkdir into/x
	ln -s ../../outside into/x/link
	ln -s ../../outside/file into/x/name
	echo mine >outside/file
	mkfifo into/x/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("into/x/socket")'
	ln -s /dev/null into/x/device
	copyist <<-X
	heard 2
	entry x 2 0 0 0
	entry x/link/a 0 1 1 0
	entry x/../../a 0 1 2 0
	entry x/../a 0 1 3 0
	entry x/./a 0 1 4 0
	entry x//a 0 1 5 0
	entry x/a/ 0 1 6 0
	entry x/${LONG}l 0 1 7 0
	entry x/link 2 0 8 0
	entry x/fifo 0 1 9 0
	entry x/socket 0 1 10 0
	entry x/device 0 1 11 0
	entry x/name 0 1 12 0
	entry x/$LONG 0 1 13 0
	entry x/new\x0aline\x1b[2J 0 1 14 0
	content 1
	listed
	children 3
	status 12 0 -
	status 13 0 -
	status 14 0 -
	X
	expect 1 $COPY -r 127.0.0.1:x into
	no_controls err
	[ "$(grep -c 'gives what was not asked for' err)" = 6 ] ||
	    fail "not six of them: $(cat err)"
	[ "$(grep -c 'stands in the place of a directory' err)" = 2 ] ||
	    fail "links to directories: $(cat err)"
	[ "$(grep -c 'what is there is not a file' err)" = 3 ] ||
	    fail "no files: $(cat err)"
	[ "$(content outside)" = "./file " ] || fail "through a link"
	says outside/file mine
	[ "$(stat -c %s "into/x/$LONG")" = 1 ] || fail "255 bytes"
	[ "$(stat -c %a into/x "into/x/$LONG" | tr '\n' ' ')" = "755 644 " ] ||
	    fail "more than the nine bits"
	[ -f "into/x/$(printf 'new\nline\033[2J')" ] || fail "an odd name"
	[ ! -L into/x/name ] && [ -p into/x/fifo ] && [ -S into/x/socket ] &&
	    [ -c into/x/device ] || fail "something was replaced"
	no_rests into
	copyist_ends
}

case_down_words() {
	copyist <<-X
	heard 2
	status -1 1 \x1b]0;title\x07\x1b[2J\x0d\x0asojourn:\xe2\x80\xaeevil
	entry \x1b[31mred 0 1 0 0
	entry x 0 1 1 0
	content 1
	listed
	children 1
	status 1 1 \x1b[2J\x9b1m
	X
	expect 1 $COPY 127.0.0.1:x .
	no_controls err
	says err '\x1b[2J'
	expect 1 $COPY --json 127.0.0.1:x .
	no_controls out
	no_controls err
	[ ! -e x ] || fail "a file that the server says is none"
	copyist_ends
}

# The server hears that nobody reads, and its verdict may be the first to be
# heard: what went wrong here is the cause, and the server's words are not.
case_down_verdict_first() {
	copyist <<-X
	heard 2
	entry x 0 1000000 0 0
	content 1000000
	listed
	children 1
	status 0 1 Broken
	X
	(ulimit -f 500; expect 1 $COPY 127.0.0.1:x .) || exit 1
	says err "x: cannot write: File too large"
	[ ! -e x ] || fail "a part of a file has its name"
	no_rests .
	copyist_ends
}

case_down_sizes() {
	local size
	for size in 0 5 2000000 9223372036854775807 -1; do
		copyist <<-X
		heard 2
		entry x 0 $size 0 0
		content 1000000
		listed
		children 1
		status 0 0 -
		X
		expect 1 $COPY 127.0.0.1:x .
		[ ! -e x ] || fail "a file of another size than was said"
		no_rests .
		copyist_ends
	done
}

case_down_junk() {
	local script
	for script in 'raw ffffffff' 'raw 0000000a00000000000000000000' \
	    'listed\nlisted' 'done' 'end 0 -' 'put x 0' \
	    'raw 000000310300000000'"$(printf '01a4ffffffff%076d' 0)"
	do
		copyist < <(printf "heard 2\n$script\n")
		echo "  $script"
		expect 255 $COPY 127.0.0.1:x .
		says err "the server does not speak copy"
		copyist_ends
	done
	# it ends before it is at its end
	for script in finish 'entry x 0 5 0 0\nfinish' 'listed\nfinish'; do
		copyist < <(printf "heard 2\n$script\n")
		limited $COPY 127.0.0.1:x . >out 2>err
		[ $? != 0 ] || [ "$script" = 'listed\nfinish' ] ||
		    fail "half a conversation is success"
		copyist_ends
	done
	[ ! -e x ] || fail "something came of it"
}

# Verdicts that never come hold no more entries than may be.
case_down_entries() {
	copyist <<-X
	heard 2
	content 1
	entry x 2 0 0 0
	repeat 96 entry x/%% 0 1 0 0
	children 96
	repeat 3000000 entry x/%% 0 1 100 0
	listed
	X
	expect 255 $COPY -r 127.0.0.1:x .
	says err "the server does not speak copy"
	copyist_ends
}

# --- a server that takes --------------------------------------------------

case_down_verdicts() {
	echo one >one
	# words after the last one
	copyist <<-X
	children 1
	heard 2
	end 0 -
	repeat 2000 status 5 0 -
	status 0 1 late
	status 0 0 -
	finish
	X
	expect 255 $COPY one 127.0.0.1:x
	says err "the server does not speak copy"
	copyist_ends
	# of files that were never sent
	copyist <<-X
	heard 1
	repeat 3 status 4000000000 0 -
	status -1 1 \x1b[2Jno
	status 1 1 -
	children 1
	heard 2
	status 0 0 -
	status 0 0 -
	end 0 -
	finish
	X
	expect 1 $COPY one 127.0.0.1:x
	no_controls err
	copyist_ends
	# none at all
	copyist <<-X
	children 1
	heard 2
	end 0 -
	finish
	X
	expect 1 $COPY one 127.0.0.1:x
	says err "the server said nothing about it"
	copyist_ends
}

# --- a client that sends --------------------------------------------------

case_up_out_of_the_tree() {
	mkdir "$HOME/into" "$HOME/outside"
	ln -s ../outside "$HOME/into/link"
	mkfifo "$HOME/into/fifo"
	python3 -c 'import os, socket, sys; os.chdir(sys.argv[1])
socket.socket(socket.AF_UNIX).bind("socket")' "$HOME/into"
	ln -s /dev/null "$HOME/into/device"
	start_server
	goes 0 <<-X
	put into 2
	entry ../a 2 0 0 0
	entry /a 2 0 0 0
	entry link/a 2 0 0 0
	entry a/../../b 2 0 0 0
	entry link 2 0 0 0
	entry - 2 0 0 0
	file ../a 1 1
	file /a 1 1
	file a/../../b 1 1
	file a//b 1 1
	file ./a 1 1
	file .. 1 1
	file - 1 1
	file link/a 1 1
	file ${LONG}l 1 1
	file fifo 1 1
	file socket 1 1
	file device 1 1
	file $LONG 1 1
	file new\x0aline\x1b[2J 1 1
	children 14
	heard 20
	done
	finish
	X
	[ "$(grep -c '^type 6 .* failed 1' out)" = 18 ] ||
	    fail "not eighteen refused: $(cat out)"
	[ "$(grep -c '^type 6 .* failed 0' out)" = 2 ] || fail "two are well"
	[ -z "$(ls "$HOME/outside")" ] || fail "through a link"
	[ ! -e "$HOME/a" ] && [ ! -e "$HOME/b" ] || fail "beside the target"
	[ "$(stat -c %s "$HOME/into/$LONG")" = 1 ] || fail "255 bytes"
	[ -p "$HOME/into/fifo" ] && [ -S "$HOME/into/socket" ] &&
	    [ -L "$HOME/into/device" ] || fail "something was replaced"
	no_rests "$HOME"
	no_controls server.log
}

case_up_sizes() {
	start_server
	goes 0 <<-X
	put . 2
	file a 5 1000000
	file b 1000000 5
	file c 9223372036854775807 5
	file d -1 5
	children 4
	done
	heard 5
	finish
	X
	[ "$(grep -c '^type 6 .* failed 1' out)" = 4 ] || fail "$(cat out)"
	for name in a b c d; do
		[ ! -e "$HOME/$name" ] || fail "$name is a part of a file"
	done
	no_rests "$HOME"
}

# Junk, and records out of turn: the stream ends, the server goes on.
case_up_junk() {
	local script
	start_server
	for script in 'raw ffffffff' 'raw 00000000' 'done' 'listed' 'end 0 -' \
	    'entry a 2 0 0 0' 'put . 2\nput . 2' 'put . 2\nentry a 0 0 0 0' \
	    'put . 2\nget a 0' 'get a 0\ndone\nget b 0' 'get a 0\nput . 2' \
	    'put . 2\ndone\ndone\ndone\ndone' 'status 0 0 -' 'put /dev/null/x 0'
	do
		printf "$script\nheard 1\n" >script
		limited "$COPYIST" go "$ME@$TARGET" "$HOME/.ssh/id_ed25519" \
		    "$SERVER_KEY" script >out 2>err
		case $? in
		0|3) ;;
		*) fail "junk is kept: $script: $(cat out err)" ;;
		esac
	done
	goes 0 <<-X
	get .ssh 1
	done
	fetch 4000000
	fetch 0
	fetch -1
	children 3
	heard 5
	finish
	X
	[ "$(grep -c 'not on the list' out)" = 3 ] || fail "$(cat out)"
	[ -z "$(find "$HOME" -name a)" ] || fail "something came of it"
	! grep 'service-ended .*signal=' server.log || fail "it crashed"
	expect 0 "$SOJOURN" copy --no-agent $FIRST -P "$PORT" \
	    script "127.0.0.1:whole"
	cmp script "$HOME/whole" || fail "honest people are not served"
}

# More files at once than are taken, and sources without end while nothing is
# read: others are served, and memory has an end.
case_up_floods() {
	local pid
	start_server
	cat >script <<-X
	get .ssh 1
	mute
	repeat 3000000 get .ssh 1
	print all is taken
	heard 1
	X
	"$COPYIST" go "$ME@$TARGET" "$HOME/.ssh/id_ed25519" "$SERVER_KEY" \
	    script >flood.out 2>&1 &
	FLOOD=$!
	until_true logged "service=files pid="
	pid=$(sed -n 's/.*service=files pid=\([0-9]*\)$/\1/p' server.log)
	memory() { sed -n 's/VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$pid/status"; }
	settled() {
		local before=$(memory)
		sleep 0.5
		[ "$before" = "$(memory)" ]
	}
	until_true settled
	echo "  $(memory) kB"
	[ ! -s flood.out ] || fail "requests without an end are kept"
	expect 0 "$SOJOURN" copy --no-agent $FIRST -P "$PORT" \
	    script "127.0.0.1:whole"
	kill "$FLOOD"
	wait "$FLOOD" 2>/dev/null
	goes 0 <<-X
	put . 2
	repeat 300 file f%% 1 1
	children 300
	heard 300
	done
	finish
	X
	[ "$(grep -c '^type 6 .* failed 0' out)" = 300 ] || fail "files get lost"
	no_rests "$HOME"
}

# What is no file is not read, whichever way it goes.
case_specials() {
	local name
	mkdir tree
	mkfifo tree/fifo
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("tree/socket")'
	ln -s nowhere tree/dangling
	ln -s loop tree/loop
	ln -s /dev/zero tree/device
	ln -s .. tree/above
	cp -a tree "$HOME/there"
	start_server
	COPY="$SOJOURN copy --no-agent $FIRST -P $PORT"
	expect 1 $COPY -r tree 127.0.0.1:up
	for name in fifo socket dangling loop device; do
		says err "$name: "
		[ ! -e "$HOME/up/$name" ] || fail "$name was copied"
	done
	expect 1 $COPY -r 127.0.0.1:there down
	for name in fifo socket dangling loop device; do
		says err "$name: at the server: "
		[ ! -e "down/$name" ] || fail "$name was copied"
	done
	for name in /dev/zero /dev/stdin there/fifo there/above; do
		expect 1 $COPY "127.0.0.1:$name" .
	done
}

cases "$@"

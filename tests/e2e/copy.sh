#!/bin/bash
# SPDX-License-Identifier: ISC
# Files and trees, both ways: all of them with modes and times, or an error and
# nothing that looks like a file and is none.
. "$(dirname "$0")/common.sh"
new_key "$HOME/.ssh/id_ed25519"
cp "$HOME/.ssh/id_ed25519.pub" "$HOME/.ssh/authorized_keys"
chmod 600 "$HOME/.ssh/authorized_keys"
start_server
HOST=127.0.0.1
COPY="$SOJOURN copy -P $PORT"
copy() { timeout 60 $COPY "$@"; }
# A tree as lines: names, modes, times to the nanosecond, sizes of files.
shape() {
	(cd "$1" && find . -mindepth 1 \( -type d -printf '%P %y %m %T@\0' \
	    -o -printf '%P %y %m %T@ %s\0' \) | sort -z)
}
same() {	# TREE TREE
	diff -r "$1" "$2" >/dev/null || fail "$1 and $2 differ"
	shape "$1" >shape.1
	shape "$2" >shape.2
	cmp shape.1 shape.2 || fail "modes or times of $1 and $2 differ"
}
no_rests() {	# DIRECTORY...
	[ -z "$(find "$@" -name '.sojourn-*')" ] || fail "temporary files in $*"
}

# words
expect 255 $COPY one
says err "needs a SRC and a DST"
expect 255 $COPY one two
says err "cp copies them"
expect 255 $COPY $HOST:one $HOST:two
says err "from one server to another"
expect 255 $COPY -l 100 one $HOST:
says err "-l is not an option"

# one file, both ways, the login made by the way
head -c 3000000 /dev/urandom >one
chmod 640 one
touch -d '2001-02-03 04:05:06.789' one
expect 0 $COPY -o StrictHostKeyChecking=accept-new one $HOST:two
[ ! -s out ] && [ ! -s err ] || fail "words without need"
cmp one "$HOME/two" || fail "what arrived differs"
[ "$(stat -c '%a %.9Y' one)" = "$(stat -c '%a %.9Y' "$HOME/two")" ] ||
    fail "mode or time"
mkdir into
expect 0 $COPY --json $HOST:two into
cmp one into/two || fail "what came back differs"
grep -qx '{"file":"two","result":"ok","bytes":3000000}' out || fail "json"
grep -qx '{"files":1,"failed":0,"bytes":3000000,"seconds":[0-9.]*,"bytes_per_second":[0-9]*}' out ||
    fail "json of all: $(cat out)"
[ "$(stat -c '%a %.9Y' one)" = "$(stat -c '%a %.9Y' into/two)" ] || fail "mode"
expect 0 $COPY --no-agent -v $HOST:two again
says err "3.0 MB"
expect 0 $COPY "$ME@$HOST:~/two" "$HOST:two" into
: >nothing
expect 0 $COPY nothing $HOST:nothing
[ -f "$HOME/nothing" ] && [ ! -s "$HOME/nothing" ] || fail "an empty file"
# replaced at once, and a name that is a link is replaced, not written through
ln -s "$WORK/one" "$HOME/link"
expect 0 $COPY nothing $HOST:link
[ ! -L "$HOME/link" ] && [ -s one ] || fail "written through a link"

# a tree, both ways: odd names, odd modes, thousands of small files
mkdir -p tree/'a b'/deep tree/empty tree/many "tree/$(printf 'new\nline')"
(cd tree/many && seq 3000 | xargs touch && for i in $(seq 500); do
	echo $i >f$i
done)
printf x >"tree/$(printf 'new\nline')/$(printf 'esc\033[2J')"
printf x >"tree/$(printf 'not utf-8 \377')"
LONG=$(printf 'l%.0s' $(seq 255))
mkdir -p "tree/a b/$LONG/$LONG/$LONG"
echo deep >"tree/a b/$LONG/$LONG/$LONG/$LONG"
head -c 100000 /dev/urandom >tree/'a b'/deep/-r
chmod 755 tree/'a b'/deep/-r
chmod 500 tree/empty
chmod 400 tree/many/f1
touch -d '1999-12-31 23:59:59.5' tree/many/f2 tree/many tree/empty
expect 255 $COPY tree
expect 1 $COPY tree $HOST:
says err "-r copies directories"
expect 0 $COPY -r --json tree $HOST:
[ "$(wc -l <out)" = 3505 ] || fail "json of a tree: $(wc -l <out)"
same tree "$HOME/tree"
expect 0 $COPY -rp tree $HOST:renamed
same tree "$HOME/renamed"
expect 0 $COPY -r $HOST:tree back
same tree back
expect 0 $COPY -r "$HOST:tree/." contents
diff -r tree contents >/dev/null || fail "the contents of a directory"
expect 0 $COPY -r tree/. $HOST:contents
diff -r tree "$HOME/contents" >/dev/null || fail "contents, up"
no_rests . "$HOME"

# several sources, patterns that the server knows
mkdir some
expect 0 $COPY "$HOST:tree/many/f1?" "$HOST:two" some
[ "$(ls some | wc -l)" = 11 ] || fail "pattern: $(ls some)"
expect 1 $COPY "$HOST:tree/many/f1?" not-there
says err "more than one source"
expect 0 $COPY one nothing $HOST:tree/empty/..
[ -f "$HOME/tree/one" ] && [ -f "$HOME/tree/nothing" ] || fail "several, up"

# what cannot be is said, and the rest is copied all the same
expect 1 $COPY missing one $HOST:tree
says err "missing: No such file"
says err "next:"
expect 1 $COPY $HOST:missing $HOST:two some
says err "missing: at the server: No such file"
expect 1 $COPY one $HOST:no/such/directory
says err "at the server: no/such"
expect 255 $COPY $HOST:two no/such/directory
says err "no/such"
expect 255 $COPY $HOST:two $HOST:one one
says err "Not a directory"
expect 1 $COPY one nothing $HOST:two
says err "Not a directory"
mkdir -p odd/sub
echo yes >odd/good
echo no >odd/unreadable
chmod 0 odd/unreadable
mkfifo odd/pipe
ln -s nowhere odd/dangling
ln -s .. odd/sub/loop
expect 1 $COPY -r odd $HOST:
says err "unreadable: Permission denied"
says err "pipe: not a regular file"
says err "dangling: No such file"
says err "loop: a link leads back"
[ "$(cat "$HOME/odd/good")" = yes ] || fail "the rest is not there"
[ ! -e "$HOME/odd/unreadable" ] || fail "an unreadable file was made"
rm -rf "$HOME/odd"
mv odd "$HOME"
expect 1 $COPY -r $HOST:odd .
says err "unreadable: at the server: Permission denied"
[ "$(cat odd/good)" = yes ] || fail "the rest did not come"
# files where directories are needed, and the other way round; devices
mkdir -p clash/a
echo x >clash/a/b
echo file >"$HOME/clash.a"
mkdir "$HOME/clash"
cp "$HOME/clash.a" "$HOME/clash/a"
expect 1 $COPY -r clash $HOST:
says err "stands in the place of a directory"
[ "$(cat "$HOME/clash/a")" = file ] || fail "a file went"
rm "$HOME/clash/a"
ln -s "$WORK" "$HOME/clash/a"
expect 1 $COPY -r clash $HOST:
[ ! -e "$WORK/b" ] || fail "through a link out of the target"
mkdir -p "$HOME/dir/one"
expect 1 $COPY one $HOST:dir
says err "a directory stands in the place of a file"
expect 1 $COPY $HOST:two /dev/null
says err "not a file"
[ -c /dev/null ] || fail "/dev/null is gone"
no_rests . "$HOME"

# a file that may not become so large, on the way in
(
	ulimit -f 1000
	timeout 60 $COPY --no-agent --server-key "$SERVER_KEY" \
	    $HOST:two limited >out 2>err
	code=$?
	[ $code = 1 ] || fail "a file that cannot be written: exit $code"
) || exit 1
says err "limited: cannot write: File too large"
[ ! -e limited ] || fail "a part of a file has its name"

# a question on the terminal can be interrupted, that of the second server, too:
# "localhost" is a name that no key is known for
mkdir asked
timeout --foreground -k 1 30 python3 - $COPY $HOST:two localhost:two asked >asked.out 2>&1 <<-'X'
	import os, pty, sys
	pid, fd = pty.fork()
	if pid == 0:
	    os.execvp(sys.argv[1], sys.argv[1:])
	seen = b""
	try:
	    while part := os.read(fd, 4096):
	        asked = b"Trust it" in seen
	        seen += part
	        if not asked and b"Trust it" in seen:
	            os.write(fd, b"\x03")
	except OSError:
	    pass
	print(seen.decode())
	print("ended by", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
X
says asked.out "ended by -2"
says asked.out "Trust it"
[ -z "$(ls asked)" ] || fail "copied before all were asked"

# the command is ended in the middle: no part of a file under its name
truncate -s 64G huge
ended() {	# SIGNAL: of a copy that has begun
	until_true sh -c 'ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q "$1"' \
	    sh "$2"
	kill "-$1" "$COMMAND"
	wait "$COMMAND" 2>/dev/null
	[ $? -gt 128 ] || fail "it did not end by the signal"
}
for signal in INT TERM KILL; do
	# a shell lets no background command have SIGINT: env gives it back
	env --default-signal=INT $COPY huge $HOST:huge 2>err &
	COMMAND=$!
	ended $signal "$HOME/#"
	[ ! -e "$HOME/huge" ] || fail "a part of a file has its name"
	no_rests "$HOME"
done
mv huge "$HOME"
for signal in TERM KILL; do
	$COPY $HOST:huge here 2>err &
	COMMAND=$!
	ended $signal "$WORK/#"
	[ ! -e here ] || fail "a part of a file has its name"
	no_rests .
done
rm "$HOME/huge"

# the server goes in the middle
truncate -s 64G huge
$COPY huge $HOST:huge >out 2>err &
COMMAND=$!
until_true sh -c 'ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q "$1"' sh "$HOME/#"
kill "$SERVER_PID"
wait "$SERVER_PID"
SERVER_PID=
wait "$COMMAND"
[ $? = 255 ] || fail "a copy without a server"
says err "sojourn: "
says err "next:"
[ ! -e "$HOME/huge" ] || fail "a part of a file has its name"
no_rests "$HOME"

# a disk that is full, if this user may mount one: all else goes on
cat >small <<F
#!/bin/sh
exec unshare -m --map-current-user --keep-caps sh -c \
    'mount -t tmpfs -o size=1m none $WORK/into && exec "\$@"' sh "$SOJOURN" "\$@"
F
chmod +x small
if ./small version >/dev/null 2>&1; then
	rm into/*
	start_server
	expect 1 ./small copy --no-agent -P "$PORT" $HOST:two into
	says err "two: cannot write: No space left on device"
	stop_server
	REAL=$SOJOURN
	SOJOURN=$WORK/small
	start_server
	SOJOURN=$REAL
	expect 1 $COPY one nothing $HOST:"$WORK/into"
	says err "one: at the server: No space left on device"
	stop_server
	[ -z "$(ls into)" ] || fail "the small disk was not one"
fi
echo ok

#!/bin/bash
# SPDX-License-Identifier: ISC
# install.sh BUILD EXAMPLES - what `meson install` leaves is enough
#
# Installs below a temporary directory and uses nothing else from then on:
# examples/echod.c and examples/echo.c, compiled with what pkg-config says, shared
# and static, by gcc and by clang, talk to each other; C++ takes the headers; a
# program with functions named like ours links; the program finds its library
# without being told where it is, and so do the services it starts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

# --- As the user of an installed program: SJ is where it is ---------------

server_and_services() {
	unset LD_LIBRARY_PATH SSH_AUTH_SOCK
	work=$(mktemp -d)
	trap 'kill $server 2>/dev/null || true; "$SJ" agent --stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
	server=
	cd "$work"
	export HOME="$work" XDG_RUNTIME_DIR="$work/run" XDG_STATE_HOME="$work/state"
	mkdir -m 700 run state .ssh
	"$SJ" key new -q .ssh/id_ed25519 >/dev/null
	cp .ssh/id_ed25519.pub .ssh/authorized_keys
	chmod 600 .ssh/authorized_keys
	"$SJ" serve --json --listen 127.0.0.1:0 >out 2>log &
	server=$!
	tries=0
	until [ -s out ]; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] && kill -0 $server || { cat log; fail "no server"; }
		sleep 0.05
	done
	port=$(sed 's/.*"port":\([0-9]*\).*/\1/' out)
	"$SJ" login -o StrictHostKeyChecking=accept-new "127.0.0.1:$port" ||
		fail "no login"
	head -c 100000 /dev/urandom >sent
	mkdir there
	timeout 20 "$SJ" copy -q -P "$port" sent 127.0.0.1:there/ || {
		cat log
		fail "the service files"
	}
	cmp sent there/sent || fail "the copy differs"
}

if [ "${1:-}" = as-user ]; then
	server_and_services
	exit
fi

# --- Installing, compiling -------------------------------------------------

build=$1 examples=$2
unset LD_LIBRARY_PATH
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
DESTDIR="$stage" meson install -C "$build" --no-rebuild --quiet >"$stage/log" ||
	{ cat "$stage/log"; fail "meson install"; }
pc=$(find "$stage" -name libsojourn.pc)
[ -n "$pc" ] || fail "no libsojourn.pc"
prefix=$stage$(sed -n 's/^prefix=//p' "$pc")
export PKG_CONFIG_PATH="${pc%/*}"
say() { pkg-config --define-variable=prefix="$prefix" "$@"; }
for file in bin/sojourn include/sojourn.h include/sojourn_core.h \
    include/sojourn_sqlite.h include/sojourn_sim.h share/bash-completion/completions/sojourn; do
	[ -f "$prefix/$file" ] || fail "$file is not installed"
done
libdir=$(say --variable=libdir libsojourn)
for name in libsojourn libsojourn-sqlite libsojourn-sim; do
	[ -L "$libdir/$name.so" ] && [ -L "$libdir/$name.so.0" ] &&
	    [ -f "$libdir/$name.a" ] || fail "$name is not complete"
done

cd "$stage"
cp "$examples"/*.c .
# shared or static, in the words of a newcomer
compile() {	# CC OUT SOURCE shared|static LIBRARY...
	local cc=$1 out=$2 source=$3 how=$4 libs
	shift 4
	if [ "$how" = shared ]; then
		libs="$(say --cflags --libs "$@") -Wl,-rpath,$libdir"
	else
		# of ours the archives, of the system's what there is
		libs=$(say --static --cflags --libs "$@" |
		    sed 's/-l\(sojourn[-a-z]*\)/-l:lib\1.a/g')
	fi
	"$cc" -o "$out" "$source" $libs || fail "$cc, $how: $source"
}
needs_us() { readelf -d "$1" | grep -q 'NEEDED.*libsojourn'; }
for cc in gcc clang; do
	for how in shared static; do
		compile $cc echo.$cc.$how echo.c $how libsojourn
		compile $cc echod.$cc.$how echod.c $how libsojourn-sqlite libsojourn
		compile $cc sim_echo sim_echo.c $how libsojourn-sim
		./sim_echo 3 >sim.$cc.$how || fail "$cc, $how: sim_echo"
		cmp sim.gcc.shared sim.$cc.$how || fail "not the same world"
	done
	needs_us echo.$cc.shared || fail "shared is not shared"
	! needs_us echo.$cc.static || fail "static is not static"
done
ECHOD=$stage/echod.gcc.shared ECHO=$stage/echo.clang.static "$here/examples.sh"
ECHOD=$stage/echod.clang.static ECHO=$stage/echo.gcc.shared "$here/examples.sh"
ECHOD=$stage/echod.gcc.static ECHO=$stage/echo.clang.shared "$here/examples.sh"

# C++, with all headers; functions of a program that are named like ours inside
cat >plus.cc <<'X'
#include <sojourn.h>
#include <sojourn_core.h>
#include <sojourn_sqlite.h>
#include <sojourn_sim.h>
#include <cstdio>
int main() { return std::printf("%s\n", sj_version()) < 0; }
X
for cxx in g++ clang++; do
	compile $cxx plus plus.cc shared libsojourn
	[ "$(./plus)" = "$(say --modversion libsojourn)" ] || fail "$cxx: the version"
done
cat >names.c <<'X'
#include <sojourn.h>
#include <stdio.h>
int flush(void); int base64_encode(void); int udp_open(void);
int flush(void) { return 1; }
int base64_encode(void) { return 2; }
int udp_open(void) { return 3; }
int
main(void)
{
	struct sj_endpoint_options options = SJ_ENDPOINT_OPTIONS;
	struct sj_endpoint *endpoint;

	if (sj_endpoint_open(&endpoint, &options) != 0)
		return 1;
	sj_endpoint_close(endpoint);
	return flush() + base64_encode() + udp_open() != 6;
}
X
compile gcc names names.c static libsojourn
./names || fail "names of a program and ours get in each other's way"

! readelf -SW "$libdir/libsojourn.a" | grep -q '\.gnu\.lto' ||
	fail "the archive is for one version of gcc"

# --- The manual -------------------------------------------------------------

for page in man1/sojourn.1 man1/sojourn-copy.1 man3/libsojourn.3 \
    man8/sojourn-serve.8; do
	[ -s "$prefix/share/man/$page" ] || fail "no $page"
done
for page in "$prefix"/share/man/man?/*; do
	grep -q '^\.TH ' "$page" || fail "$page is no page"
done
# each call is found under its own name
for call in $(nm -D --defined-only "$libdir"/libsojourn*.so |
    sed -n 's/.* \(sj_[a-z0-9_]*\)@@.*/\1/p' | sort -u); do
	grep -q "$call" "$prefix/share/man/man3/$call.3" || fail "no page for $call"
done

# --- The program, where nobody is told of its library ------------------------

export SJ="$prefix/bin/sojourn"
[ "$("$SJ" version | cut -d' ' -f2)" = "$(say --modversion libsojourn)" ] ||
	fail "the version of the program"
if [ "$(id -u)" = 0 ]; then
	chmod -R a+rX "$stage"
	cp "$here/install.sh" "$stage/install.sh"
	setpriv --reuid 65534 --regid 65534 --clear-groups \
	    bash "$stage/install.sh" as-user
else
	bash "$here/install.sh" as-user
fi
echo ok

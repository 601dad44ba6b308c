#!/bin/sh
# SPDX-License-Identifier: ISC
# library.sh LIBRARY MAP NEEDED HEADER... - what a library needs and offers
#
# It needs NEEDED and libc.so.6, and nothing else; what its headers declare, its
# map lists, and the file offers under the version of that map, are the same.
set -eu
library=$1 map=$2 want=$3
shift 3
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
want=$(printf '%s\n' $want libc.so.6 | sort | tr '\n' ' ')
[ "$needed" = "$want" ] || {
	echo "needs: $needed"
	echo "may need: $want"
	exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -n 's/^\(SOJOURN[A-Z_0-9.]*\) {$/\1/p' "$map")
readelf -d "$library" | grep -q 'SONAME.*\.so\.0\]' || { echo "no soname"; exit 1; }
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@@/, " ", $3); print $3 }' | sort >"$work/offered"
cat "$@" | tr '\n' ' ' | grep -o 'SJ_API [^;]*;' | sed -e 's/SJ_MUST_CHECK//' |
	grep -o 'sj_[a-z0-9_]*[ ]*[(;]' | tr -d ' (;' | sort -u | sed "s/\$/ $version/" >"$work/declared"
sed -n 's/^\t\(sj_[a-z0-9_]*\);$/\1/p' "$map" | sort | sed "s/\$/ $version/" >"$work/mapped"
[ -s "$work/declared" ] || { echo "no header declares anything"; exit 1; }
for what in offered mapped; do
	diff "$work/declared" "$work/$what" >"$work/diff" || {
		echo "declared (<) and $what (>):"
		cat "$work/diff"
		exit 1
	}
done
echo "$(wc -l <"$work/offered") calls as $version"

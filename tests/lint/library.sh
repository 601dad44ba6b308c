#!/bin/sh
# SPDX-License-Identifier: ISC
# library.sh LIBRARY HEADER... - what libsojourn.so needs and what it offers
set -eu
library=$1
shift
needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort | tr '\n' ' ')
[ "$needed" = "libc.so.6 libcrypto.so.3 " ] || {
	echo "needs: $needed"
	exit 1
}
offered=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
declared=$(cat "$@" | tr '\n' ' ' | grep -o 'SJ_API [^;]*;' |
	sed -e 's/SJ_MUST_CHECK//' | grep -o 'sj_[a-z0-9_]*[ ]*[(;]' | tr -d ' (;' |
	sort -u)
missing=
for name in $offered; do
	echo "$declared" | grep -qx "$name" || missing="$missing $name"
done
[ -z "$missing" ] || { echo "offered but not declared:$missing"; exit 1; }
for name in $declared; do
	case $name in sj_store_sqlite) continue ;; esac
	echo "$offered" | grep -qx "$name" || missing="$missing $name"
done
[ -z "$missing" ] || { echo "declared but not offered:$missing"; exit 1; }
echo "$(echo "$offered" | wc -l) calls"

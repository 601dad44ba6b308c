#!/bin/sh
# SPDX-License-Identifier: ISC
# headers.sh ROOT - every header compiles alone; the public ones in C++ too
set -eu
root=$1
fail=0
for header in "$root"/include/*.h "$root"/src/*/*.h; do
	cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -I"$root/include" -I"$root/src" \
		-fsyntax-only -x c "$header" || fail=1
done
for header in "$root"/include/*.h; do
	c++ -Wall -Wextra -Werror -I"$root/include" -fsyntax-only -x c++ "$header" || fail=1
done
exit $fail

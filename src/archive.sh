#!/bin/sh
# SPDX-License-Identifier: ISC
# archive.sh OUTPUT FOLDER CC OBJCOPY AR ARCHIVE... - libsojourn.a for others
#
# The objects are joined into one, in which what is hidden is local: a program
# may have a flush() or a base64_encode() of its own. What gcc keeps for
# optimising a whole program goes too: only the same gcc could read it.
set -eu
output=$1 folder=$2 cc=$3 objcopy=$4 ar=$5
shift 5
mkdir -p "$folder"
object=$folder/sojourn.o
$cc -r -nostdlib -o "$object" -Wl,--whole-archive "$@" -Wl,--no-whole-archive
$objcopy --localize-hidden --wildcard --remove-section '.gnu.lto_*' \
    --remove-section '.gnu.debuglto_*' --strip-symbol '__gnu_lto_*' "$object"
rm -f "$output"
$ar rcsD "$output" "$object"

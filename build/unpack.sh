#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# unpack.sh ARCHIVE DIR [PATCH...]: unpack a source package into DIR, without its top folder, and
# apply our patches.  DIR appears whole or not at all; its time is now, so that make sees it.

set -eu
archive=$1 dir=$2
shift 2

touch "$dir.wanted"
exec 9>"$dir.lock"
flock 9
[ ! "$dir/.unpacked" -nt "$dir.wanted" ] || exit 0 # while we waited, another one did it
rm -rf "$dir" "$dir.tmp"
mkdir -p "$dir.tmp"
tar -C "$dir.tmp" --strip-components=1 --no-same-owner -xf "$archive"
for patch in "$@"; do
    patch -d "$dir.tmp" -p1 -s -f --no-backup-if-mismatch <"$patch" ||
        { echo "unpack: $patch does not apply" >&2; exit 1; }
done
mv "$dir.tmp" "$dir"
touch "$dir/.unpacked"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Builds the router a second time, from a copy of the tree in another folder, and compares the images
# byte by byte. The C library is copied as built; all objects are compiled again.

set -eu
cd "$(dirname "$0")/../.."
first=$PWD/out/arm64/router.img
copy=$PWD/out/twice/a-folder-with-a-longer-name

rm -rf "$copy"
mkdir -p "$copy/out"
tar -c --exclude=./out --exclude=./.git . | tar -x -C "$copy"
cp -rp out/deps "$copy/out/deps"

build/make.sh APP=router image
(cd "$copy" && build/make.sh APP=router image)
cmp "$first" "$copy/out/arm64/router.img"
cmp "${first%.img}.elf" "$copy/out/arm64/router.elf"
rm -rf "$PWD/out/twice"
echo "twice: both builds are the same, byte by byte"

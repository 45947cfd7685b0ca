#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Builds the router a second time, from a copy of the tree in another folder, and compares the images
# byte by byte: for arm64 and, because its image is made differently, loongson3. The C library is
# copied as built; all objects are compiled again.

set -eu
cd "$(dirname "$0")/../.."
copy=$PWD/out/twice/a-folder-with-a-longer-name

for platform in arm64 loongson3; do
    export PLATFORM=$platform APP=router
    build/make.sh image
    rm -rf "$copy"
    mkdir -p "$copy/out"
    tar -c --exclude=./out --exclude=./.git . | tar -x -C "$copy"
    cp -rp out/deps "$copy/out/deps"
    (cd "$copy" && build/make.sh image)
    for kind in img elf; do
        cmp "out/$platform/router.$kind" "$copy/out/$platform/router.$kind"
    done
done
rm -rf out/twice
echo "twice: both builds are the same, byte by byte"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# newlib.sh SOURCE DIR HOST: build newlib's libc.a and libm.a in DIR for the machine HOST
# (CPU-sluice-elf).  CC, CFLAGS, AR, RANLIB come in the environment and say what for and how.
#
# Our target in newlib's words: struct _reent through __getreent() (each thread has its own),
# locks from outside, no system calls and no malloc of its own (core/posix supplies both).
# Nothing is installed: headers are taken from DIR/targ-include and SOURCE/newlib/libc/include.

set -eu
source=$(cd "$1" && pwd -P)
mkdir -p "$2"
dir=$(cd "$2" && pwd -P)
host=$3
log=$dir/build.log

# Only newlib's headers and the compiler's own; no trace of the system the compiler runs on.
own=$($CC -print-file-name=include)
own="-nostdinc -isystem $own -isystem $dir/targ-include -isystem $source/newlib/libc/include"

# dash starts faster than bash, and configure and make start some thousand shells.
export CONFIG_SHELL=/bin/dash
unset MAKEFLAGS MAKELEVEL
jobs=-j$(nproc)

fail()
{
    echo "newlib: $1 failed: $(grep -m1 -E 'rror:|No space left|\*\*\*' "$log"), see $log" >&2
    exit 1
}

# Held by every process of this build, so also by those that outlive an interrupted one for a moment.
touch "$dir.wanted"
exec 9>"$dir.lock"
flock 9
[ ! "$dir/.built" -nt "$dir.wanted" ] || exit 0 # while we waited, another one built it

echo "newlib: configuring for $host (log: $log)"
find "$dir" -mindepth 1 -delete
cd "$dir"
dash "$source/newlib/configure" --host="$host" --prefix=/usr \
    CC="$CC $own" CPP="$CC $own -E" AR="$AR" RANLIB="$RANLIB" AS="$CC -c" \
    CFLAGS="$CFLAGS -w -D__DYNAMIC_REENT__ -DMALLOC_PROVIDED \
        -ffile-prefix-map=$source=newlib -ffile-prefix-map=$dir=newlib" \
    --disable-dependency-tracking --disable-multilib --disable-newlib-supplied-syscalls \
    --enable-newlib-retargetable-locking --enable-newlib-multithread \
    --enable-newlib-global-stdio-streams --enable-newlib-global-atexit \
    --enable-newlib-io-c99-formats --enable-newlib-io-long-long \
    --enable-newlib-io-long-double >"$log" 2>&1 || fail configure

echo "newlib: compiling"
make "$jobs" SHELL=/bin/dash CC_FOR_BUILD=gcc-14 stmp-targ-include >>"$log" 2>&1 || fail make
make "$jobs" SHELL=/bin/dash CC_FOR_BUILD=gcc-14 libc.a libm.a >>"$log" 2>&1 || fail make
touch "$dir/.built"

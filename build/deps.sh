#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# deps.sh NAME...: bring the source packages that build/deps.mk pins into
# out/deps/NAME-VERSION.tar.  Runs on the machine itself, where apt is configured.
# A file of that name has always had the right hash: downloads go to another name first.
# If this very archive no longer serves the file (it has moved on to a newer version),
# the file can be put into out/deps/ by hand under its own name; the hash decides.

set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd -P)
me=deps
. "$top/build/apt.sh"

deps=$top/out/deps

# pin NAME FIELD: what deps.mk says.
pin()
{
    sed -n "s/^$1_$2 *= *//p" "$top/build/deps.mk"
}

check_hash()
{
    local have
    have=$(sha256sum <"$1" | cut -d' ' -f1)
    [ "$have" = "$2" ] || {
        rm -f "$1"
        fail "$(basename "$3") has the wrong SHA-256 ($have, pinned $2)"
    }
}

bring()
{
    local name=$1 file hash whole part
    file=$(pin "$name" file) hash=$(pin "$name" sha256)
    [ -n "$file" ] && [ -n "$hash" ] || fail "build/deps.mk pins no '$name'"
    whole=$deps/$name-$(pin "$name" version)-${hash:0:12}.tar part=$whole.part
    [ ! -e "$whole" ] || return 0
    if [ -e "$deps/$(basename "$file")" ]; then
        run_logged "$deps/.log" "cannot copy $(basename "$file")" \
            cp "$deps/$(basename "$file")" "$part"
    else
        [ -n "${mirror-}" ] || find_mirror trixie
        say "fetching $(basename "$file")"
        run_logged "$deps/.log" "cannot fetch $(basename "$file")" \
            fetch "${mirror}pool/main/$file" "$part"
    fi
    check_hash "$part" "$hash" "$file"
    mv "$part" "$whole"
}

mkdir -p "$deps" || fail "cannot write to $deps"
need sha256sum
for name in "$@"; do
    bring "$name"
done

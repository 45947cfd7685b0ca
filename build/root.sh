#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# root.sh SUITE DIR: make the private Debian root DIR from build/packages.SUITE,
# or do nothing if DIR is there and was made from the same list.
#
# The packages are unpacked, not installed: no maintainer script runs.  So it
# needs neither root rights nor a range of user ids, takes a minute, and leaves
# the machine alone; what the tools need of the scripts' work (users, a linker
# cache, one alternative) is done in finish().  DIR.tmp becomes DIR by a rename at
# the very end; packages already fetched are kept for the next run until then.

set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd -P)
me=root
. "$top/build/apt.sh"

suite=$1
dir=$(readlink -m "$2")
list=$top/build/packages.$suite
debs=$top/out/apt/$suite-debs
arch=$(dpkg --print-architecture 2>/dev/null) || fail "this machine lacks 'dpkg'"

stamp()
{
    { echo "$suite $arch form 1"; grep -v '^#' "$list"; } | sha256sum
}

is_current()
{
    [ -e "$dir/.sluice-root" ] && [ "$(cat "$dir/.sluice-root")" = "$(stamp)" ]
}

# The packages that are asked for and those they depend on, in apt's URI form.
resolve()
{
    local wanted unwanted
    wanted=$(grep '^[a-z]' "$list")
    unwanted=$(sed -n 's/^-//p' "$list")
    run_logged "$debs.uris" "cannot resolve $list" private_apt "$suite" "$arch" \
        apt-get install -qq --print-uris --no-install-recommends '?essential' $wanted
    grep "^'" "$debs.uris" |
        awk -v unwanted="$unwanted" '
            BEGIN { n = split(unwanted, u, "\n"); for (i = 1; i <= n; i++) out[u[i]] = 1 }
            { split($2, part, "_"); if (!(part[1] in out)) print }'
}

# One package into the root.  Manuals, documentation and translations stay out.
unpack_one()
{
    dpkg-deb --fsys-tarfile "$1" |
        tar -C "$2" -xpf - --keep-directory-symlink --warning=no-timestamp \
            --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' \
            --exclude='./usr/share/locale/*' --exclude='./usr/share/info/*' \
            --exclude='./usr/share/lintian/*' --exclude='./usr/share/bug/*'
}
export -f unpack_one

unpack()
{
    local tmp=$1 total link
    total=$(ls "$debs"/*.deb | wc -l)
    mkdir -p "$tmp"
    # Debian 12 makes these links in a maintainer script, Debian 13 ships them.
    for link in bin sbin lib lib64; do
        mkdir -p "$tmp/usr/$link"
        ln -s "usr/$link" "$tmp/$link"
    done
    unpack_one "$debs"/base-files_*.deb "$tmp"
    say "unpacking $total packages"
    printf '%s\0' "$debs"/*.deb |
        xargs -0 -n 1 -P "$(nproc)" bash -o pipefail -c \
            'unpack_one "$1" "$0" && echo' "$tmp" 2>"$debs/.log" |
        awk -v me="$me" -v total="$total" '
            NR % 50 == 0 { printf "%s: unpacked %d of %d\n", me, NR, total; fflush() }' ||
        fail "cannot unpack into $tmp: $(reason "$debs/.log")"
}

# What the tools need of the maintainer scripts' work.
finish()
{
    local tmp=$1
    cp "$tmp/usr/share/base-passwd/passwd.master" "$tmp/etc/passwd"
    cp "$tmp/usr/share/base-passwd/group.master" "$tmp/etc/group"
    echo '127.0.0.1 localhost' >"$tmp/etc/hosts"
    ln -sf mawk "$tmp/usr/bin/awk"
    ln -sf which.debianutils "$tmp/usr/bin/which"
    mkdir -p "$tmp/proc" "$tmp/sys" "$tmp/dev" "$tmp/run" "$tmp/tmp"
    "$top/build/in-root" --root "$tmp" ldconfig
}

need apt-get dpkg-deb tar xz sha256sum awk flock unshare chroot
[ -e "$list" ] || fail "no package list for $suite ($list)"
mkdir -p "$top/out" "$(dirname "$dir")" || fail "cannot write to $top/out"
is_current && exit 0

exec 9>"$top/out/.root-$suite.lock"
flock -n 9 || { say "waiting for another build of $dir"; flock 9; }
is_current && exit 0

"$top/build/in-root" --probe || exit 1
begin=$SECONDS
say "making a private Debian root ($suite) in ${dir#"$top"/}; this happens once"
apt_update "$suite" "$arch"
say "packages come from $mirror"
mkdir -p "$debs"
uris=$(resolve)
fetch_listed "$debs" <<<"$uris"

# Packages of an earlier, interrupted run that are not in this list must not get in.
keep=$(awk '{ print $2 }' <<<"$uris")
for file in "$debs"/*.deb; do
    grep -qxF "$(basename "$file")" <<<"$keep" || rm -f "$file"
done

rm -rf "$dir.tmp" "$dir.old"
unpack "$dir.tmp"
finish "$dir.tmp" || fail "cannot set up $dir.tmp"
stamp >"$dir.tmp/.sluice-root"
[ ! -e "$dir" ] || mv "$dir" "$dir.old"
mv "$dir.tmp" "$dir"
rm -rf "$dir.old" "$debs"
say "ready after $((SECONDS - begin)) s, $(du -sm "$dir" | cut -f1) MB"

# SPDX-License-Identifier: BSD-2-Clause
#
# Shell functions that fetch from the Debian mirror which this machine's own apt
# configuration names.  Sourced by root.sh, deps.sh and fetch-debs.  Nothing is
# installed on the machine: apt gets a state directory of its own under out/.
# Relies on apt, dpkg-deb and GNU coreutils.  The caller sets `top` (checkout)
# and `me` (the name that starts each message).

say()
{
    printf '%s: %s\n' "$me" "$*"
}

fail()
{
    printf '%s: %s\n' "$me" "$*" >&2
    exit 1
}

# reason LOG: the one line that says best why a command that wrote LOG failed.
reason()
{
    local line
    if [ "$(df --output=avail "$1" | tail -n 1)" -lt 2048 ]; then
        echo "no space left on the disk of $(dirname "$1")"
        return
    fi
    line=$(grep -m1 -i 'no space left' "$1") ||
        line=$(grep -m1 -A1 '^Err' "$1" | grep -o '[^ ].*' | tail -n 1) ||
        line=$(grep -m1 -E '^(E|W): |cannot|Could not|failed' "$1") ||
        line=$(tail -n 1 "$1")
    printf '%s' "$line"
}

# run_logged LOG MESSAGE CMD...: run CMD quietly; if it fails, one line says why.
run_logged()
{
    local log=$1 what=$2
    shift 2
    if ! "$@" >"$log" 2>&1 </dev/null; then
        fail "$what: $(reason "$log")"
    fi
}

# need TOOL...: stop with one line if a tool is missing on this machine.
need()
{
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || fail "this machine lacks '$tool'"
    done
}

apt_helper=/usr/lib/apt/apt-helper

# fetch URI FILE [SHA256]...: any number of triples in one connection.
fetch()
{
    "$apt_helper" -o APT::Sandbox::User=root -o Acquire::Retries=2 \
        -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 download-file "$@"
}

# find_mirror SUITE: set `mirror` to the first configured archive that has SUITE.
# MIRROR=URI names one for machines whose own configuration has none (another distribution).
# The answer is remembered under out/apt as long as the configuration says the same.
find_mirror()
{
    local suite=$1 dir=$top/out/apt uri uris
    mirror=
    [ -x "$apt_helper" ] || fail "this machine has no apt (Debian or a relative of it is needed)"
    mkdir -p "$dir" || fail "cannot write to $dir"
    uris=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | awk '!seen[$0]++')
    [ -z "${MIRROR-}" ] || uris="${MIRROR%/}/ $uris"
    [ -n "$uris" ] || fail "this machine's apt configuration names no archive: give MIRROR=URI"
    if [ -s "$dir/mirror.$suite" ] && grep -qxFf "$dir/mirror.$suite" <<<"$uris"; then
        mirror=$(cat "$dir/mirror.$suite")
        return
    fi
    : >"$dir/mirror.log"
    for uri in $uris; do
        fetch "${uri}dists/$suite/InRelease" "$dir/InRelease.$suite" >>"$dir/mirror.log" 2>&1 ||
            continue
        grep -qx 'Label: Debian' "$dir/InRelease.$suite" || continue
        mirror=$uri
        printf '%s\n' "$mirror" >"$dir/mirror.$suite"
        return
    done
    fail "no archive in this machine's apt configuration answers for Debian $suite" \
        "(MIRROR=URI names another): $(reason "$dir/mirror.log")"
}

# private_apt SUITE ARCH TOOL ARGS...: run an apt tool with a state of its own
# that knows nothing but SUITE's main section and takes nothing as installed.
private_apt()
{
    local dir=$top/out/apt/$1-$2 arch=$2 tool=$3
    shift 3
    "$tool" -o Dir::State="$dir/state" -o Dir::State::status="$dir/status" \
        -o Dir::Cache="$dir/cache" -o Dir::Etc::SourceList="$dir/sources.list" \
        -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
        -o Dir::Etc::PreferencesParts=/dev/null -o APT::Sandbox::User=root \
        -o APT::Architecture="$arch" -o APT::Architectures::="$arch" \
        -o Acquire::Languages=none -o Acquire::ForceHash=SHA256 -o Acquire::Retries=2 \
        -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

# apt_update SUITE ARCH: make that state and fetch the package index.
apt_update()
{
    local suite=$1 arch=$2 dir=$top/out/apt/$1-$2
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed=
    find_mirror "$suite"
    mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial" ||
        fail "cannot write to $dir"
    : >"$dir/status"
    [ ! -e "$keyring" ] || signed="[signed-by=$keyring] "
    printf 'deb %s%s %s main\n' "$signed" "$mirror" "$suite" >"$dir/sources.list"
    run_logged "$dir/log" "cannot read the index of $suite" \
        private_apt "$suite" "$arch" apt-get -q update -o APT::Update::Error-Mode=any
}

# fetch_listed DIR: read "'URI' NAME SIZE SHA256:HASH" lines (apt's --print-uris) on
# standard input, bring each into DIR.  Whole files are kept from an earlier run.
fetch_listed()
{
    local dir=$1 uri name size hash
    local -a batch=()
    local total=0 have=0 count=0 list
    mkdir -p "$dir" || fail "cannot write to $dir"
    list=$(cat)
    total=$(awk '{ s += $3 } END { printf "%d", s / 1000000 }' <<<"$list")
    say "fetching $(wc -l <<<"$list") packages, $total MB"
    while read -r uri name size hash; do
        uri=${uri#\'} uri=${uri%\'} hash=${hash#SHA256:}
        have=$((have + size)) count=$((count + 1))
        if ! echo "$hash  $dir/$name" | sha256sum --status -c 2>/dev/null; then
            batch+=("$uri" "$dir/$name" "SHA256:$hash")
        fi
        if [ ${#batch[@]} -ge 120 ]; then
            run_logged "$dir/.log" "cannot fetch packages" fetch "${batch[@]}"
            say "fetched $((have / 1000000)) of $total MB"
            batch=()
        fi
    done <<<"$list"
    [ ${#batch[@]} -eq 0 ] || run_logged "$dir/.log" "cannot fetch packages" fetch "${batch[@]}"
    say "fetched $total of $total MB"
}

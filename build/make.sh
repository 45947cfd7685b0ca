#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make.sh GOAL... [VARIABLE=VALUE...]: run build/rules.mk; in the root (build/in-root) only.
# One at a time: a second build in this checkout waits for the first, so that two `make run` side
# by side are safe.  JOBS limits the number of compilers.

set -eu
cd "$(dirname "$0")/.."
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
mkdir -p out
exec flock -o out/.build.lock make -f build/rules.mk -j"${JOBS:-$(nproc)}" "$@"

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# format.sh format|format-check: clang-format over our C files, in place or as a test.

set -eu
cd "$(dirname "$0")/.."
dirs=$(ls -d build platform core mm drivers net apps tests 2>/dev/null)
case $1 in
format) mode=-i ;;
*) mode='--dry-run -Werror' ;;
esac
find $dirs -name '*.[ch]' -print0 | xargs -0 clang-format-19 --style=file $mode

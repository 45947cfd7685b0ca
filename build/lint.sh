#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Static analysis by cppcheck of all machine-neutral code; any finding fails. The compilers' own
# analysis is part of each build (-Wall -Wextra -Werror, with GCC and clang). Left out, each for a
# reason:
#   comparePointers, subtractPointers   linker tables are walked between two symbols
#   uninitvar in arch/                  inline assembly writes what cppcheck thinks unwritten
#   incorrectStringBooleanError         a text inside a condition is how assertions say more
#   internalAstError                    cppcheck's own parser gives up on va_arg with a cast

set -eu
cd "$(dirname "$0")/.."
exec cppcheck -j"${JOBS:-$(nproc)}" -q --std=c11 --enable=warning,portability,performance \
    --error-exitcode=1 --template='{file}:{line}: {severity}: {message} [{id}]' \
    --suppress=missingInclude --suppress=normalCheckLevelMaxBranches \
    --suppress=comparePointers --suppress=subtractPointers --suppress='uninitvar:*/arch/*' \
    --suppress=incorrectStringBooleanError --suppress=internalAstError \
    -I. -Iplatform/arm64 -D__aarch64__ core mm drivers net apps

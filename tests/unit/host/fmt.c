// SPDX-License-Identifier: BSD-2-Clause
//
// The kernel's own core/lib/fmt.c, for tests that do not name it.

#include "core/lib/fmt.c"

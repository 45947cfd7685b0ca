// SPDX-License-Identifier: BSD-2-Clause
//
// Saved state for unit tests, which never switch: just enough for the headers to compile.

#pragma once

#include <stdint.h>

struct trap_frame {
    uint64_t pc;
};

struct thread_context {
    uint64_t sp;
};

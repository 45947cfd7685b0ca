// SPDX-License-Identifier: BSD-2-Clause
//
// Between head.S, early_map.c (addresses are physical) and memory.c: the tables of the image.

#pragma once

#include "core/lib/types.h"

// With translation off: builds the tables below, which are empty or garbage before.
void early_map(void);

extern uint64_t kernel_root_table[512]; // upper half
extern uint64_t empty_root_table[512];  // lower half: nothing is mapped there, ever

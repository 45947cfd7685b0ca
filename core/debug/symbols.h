// SPDX-License-Identifier: BSD-2-Clause
//
// Names of the functions in the image, for backtraces. The build puts the table into rodata
// (build/symbols.py), local functions included.

#pragma once

#include "core/lib/types.h"

// The function that holds `addr` and, if offset is not NULL, how far into it. NULL when addr is not
// in the image's text (or the table is empty). Any context, faults included; touches only rodata.
const char *symbol_lookup(uintptr_t addr, size_t *offset);

// SPDX-License-Identifier: BSD-2-Clause
//
// The console as files 0, 1 and 2. Output goes to core/debug/log.h's console; input comes from
// the device that registered here.

#pragma once

#include "core/lib/types.h"

// Takes up to len characters; waits for the first until the monotonic deadline (0: none). Returns
// how many, 0 on time-out. Thread context.
typedef size_t (*console_read_fn)(char *buf, size_t len, uint64_t deadline_ns);

// From the console's driver, once. Until then reads end at once with 0.
void console_set_input(console_read_fn read);
// Raw input: as the device delivers it, no echo, no editing.
size_t console_read(char *buf, size_t len, uint64_t deadline_ns);

int console_files_init(void); // from posix_init: opens descriptors 0, 1 and 2

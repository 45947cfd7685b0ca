// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of mm/percpu.h: one CPU, objects from the C library.

#include "mm/percpu.h"

#include <stdlib.h>
#include <string.h>

uintptr_t percpu_offsets[MAX_CPUS];
DEFINE_PERCPU(unsigned, cpu_number);

unsigned percpu_cpus(void) { return 1; }

void *percpu_alloc(size_t bytes, size_t align, unsigned gfp)
{
    void *object;
    (void)gfp;
    if (!bytes || posix_memalign(&object, MAX(align, (size_t)16), bytes))
        return NULL;
    return memset(object, 0, bytes);
}

void percpu_free(void *object) { free(object); }

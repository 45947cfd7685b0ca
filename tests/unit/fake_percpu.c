// SPDX-License-Identifier: BSD-2-Clause
//
// See fake_percpu.h. The copies of CPU k lie k GiB above the program's own data: of dynamic
// objects, which come from an array, and of the pages around the static variables.

#define _GNU_SOURCE
#include "fake_percpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/sched/preempt.h"
#include "mm/slab_internal.h"

#define ARENA_BYTES MIB(4)
#define SLOT 1024u // room of one object
#define OFFSET(cpu) ((uintptr_t)(cpu) << 30)

uintptr_t percpu_offsets[MAX_CPUS];
DEFINE_PERCPU(unsigned, cpu_number);

extern char __data_start[], _end[];

static char arena[ARENA_BYTES] __attribute__((aligned(4096)));
static bool in_use[ARENA_BYTES / SLOT];
static unsigned cpus = 1;
static size_t objects;
static bool failing, mapped[FAKE_CPUS_MAX];

static void map_copies(unsigned cpu)
{
    uintptr_t start = ALIGN_DOWN((uintptr_t)__data_start, PAGE_SIZE);
    size_t bytes = ALIGN_UP((uintptr_t)_end, PAGE_SIZE) - start;
    void *want = (void *)(start + OFFSET(cpu));
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
    if (!mapped[cpu] && mmap(want, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) != want) {
        fprintf(stderr, "fake_percpu: no address space\n");
        abort();
    }
    mapped[cpu] = true;
}

void fake_percpu_start(unsigned count)
{
    cpus = count;
    objects = 0;
    failing = false;
    memset(arena, 0, sizeof(arena));
    memset(in_use, 0, sizeof(in_use));
    for (unsigned cpu = 1; cpu < count; cpu++) {
        map_copies(cpu);
        percpu_offsets[cpu] = OFFSET(cpu);
        memcpy(per_cpu_ptr(slab_no_array, cpu), &slab_no_array, sizeof(slab_no_array));
        per_cpu(cpu_number, cpu) = cpu;
    }
    fake_cpu(0);
}

void fake_cpu(unsigned cpu) { host_percpu_base = OFFSET(cpu); }
void fake_percpu_fail(bool fail) { failing = fail; }
size_t fake_percpu_objects(void) { return objects; }

unsigned percpu_cpus(void) { return cpus; }

void *percpu_alloc(size_t bytes, size_t align, unsigned gfp)
{
    (void)gfp;
    if (failing || bytes > SLOT || align > SLOT)
        return NULL;
    for (unsigned i = 0; i < ARRAY_SIZE(in_use); i++) {
        if (in_use[i])
            continue;
        in_use[i] = true;
        objects++;
        for (unsigned cpu = 0; cpu < cpus; cpu++)
            memset(arena + i * SLOT + OFFSET(cpu), 0, SLOT);
        return arena + i * SLOT;
    }
    return NULL;
}

void percpu_free(void *object)
{
    if (!object)
        return;
    objects--;
    in_use[((char *)object - arena) / SLOT] = false;
}

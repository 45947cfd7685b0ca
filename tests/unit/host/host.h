// SPDX-License-Identifier: BSD-2-Clause
//
// What unit tests can ask of the host versions of kernel services. Each service is one file in
// a library, so a test that names the kernel's own file in its unit-sources gets that instead.

#pragma once

#include "core/lib/types.h"

// alloc.c: kmalloc on the C library. Fresh memory is not zero. Allocations can be made to fail.
#define HOST_NEVER (-1L)
void host_fail_after(long successes); // then every allocation fails; HOST_NEVER ends that
size_t host_allocations(void);        // objects allocated and not yet freed
size_t host_allocated_bytes(void);    // their sizes, as requested

// rcu.c: callbacks wait until the test says that a grace period has passed.
size_t host_rcu_run(void); // runs those waiting now; returns how many

// thread.c: the sum of what thread_sleep_ns() was asked for; no time passes.
extern uint64_t host_slept_ns;

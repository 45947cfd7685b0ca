// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU memory of several CPUs in one process: every CPU's copies are there, and the test says
// which CPU it is. Takes the place of mm/percpu.c.

#pragma once

#include "core/lib/types.h"

#define FAKE_CPUS_MAX 4

// Before the first use: so many CPUs, nothing allocated.
void fake_percpu_start(unsigned cpus);
void fake_cpu(unsigned cpu);      // plays this CPU from now on
void fake_percpu_fail(bool fail); // percpu_alloc gives nothing
size_t fake_percpu_objects(void); // allocated and not freed

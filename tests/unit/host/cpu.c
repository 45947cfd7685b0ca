// SPDX-License-Identifier: BSD-2-Clause
//
// Host version of the per-CPU and interrupt state that inline functions of the kernel use.

#include "core/sched/preempt.h"

bool host_irqs_on = true;
uintptr_t host_percpu_base;
DEFINE_PERCPU(struct cpu_context, cpu_context);

void preempt_check(void) {}
void softirq_enable(void) { this_cpu(cpu_context).preempt_count -= SOFTIRQ_ONE; }

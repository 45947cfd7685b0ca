// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU variables. A variable is defined once with DEFINE_PERCPU; its static copy belongs to
// the boot CPU (offset 0), every further CPU has an area of its own at a constant offset that
// sits in a CPU register (arch_percpu_base()). So a read is the offset, an add and a load.
//
// this_cpu() is only stable while the thread cannot migrate: interrupts off, preemption off, or
// interrupt/softirq context.

#pragma once

#include "arch/cpu.h"
#include "core/lib/types.h"

#define MAX_CPUS 64

#define DEFINE_PERCPU(type, name) __attribute__((section(".percpu"))) __typeof__(type) name
#define DECLARE_PERCPU(type, name) extern __attribute__((section(".percpu"))) __typeof__(type) name

#define this_cpu_ptr(var) ((__typeof__(&(var)))((uintptr_t)&(var) + arch_percpu_base()))
#define this_cpu(var) (*this_cpu_ptr(var))

extern uintptr_t percpu_offsets[MAX_CPUS];
#define per_cpu_ptr(var, cpu) ((__typeof__(&(var)))((uintptr_t)&(var) + percpu_offsets[cpu]))
#define per_cpu(var, cpu) (*per_cpu_ptr(var, cpu))

DECLARE_PERCPU(unsigned, cpu_number); // logical number, 0 is the boot CPU
#define this_cpu_number() this_cpu(cpu_number)

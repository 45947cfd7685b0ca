// SPDX-License-Identifier: BSD-2-Clause
//
// Per-CPU variables. A static one is defined with DEFINE_PERCPU; its linked copy belongs to the
// boot CPU. A dynamic one comes from percpu_alloc. Every CPU has its copy of both at a constant
// distance from the boot CPU's, PERCPU_STRIDE times its number, which sits in a CPU register
// (arch_percpu_base()). So a read is the offset, an add and a load.
//
// this_cpu() is only stable while the thread cannot migrate: interrupts off, preemption off, or
// interrupt/softirq context.

#pragma once

#include "arch/cpu.h"
#include "mm/gfp.h"

#define MAX_CPUS 64
#define PERCPU_STRIDE (16UL << 20) // distance of two CPUs' copies

// Where dynamic objects are: the end of the vmalloc window. Of the stride to the next CPU's copies
// only the beginning is used.
#define PERCPU_BASE (ARCH_VMALLOC_BASE + ARCH_VMALLOC_BYTES - MAX_CPUS * PERCPU_STRIDE)
#define PERCPU_ROOM KIB(512) // dynamic bytes of one CPU, at most

#define DEFINE_PERCPU(type, name) __attribute__((section(".percpu"))) __typeof__(type) name
#define DECLARE_PERCPU(type, name) extern __attribute__((section(".percpu"))) __typeof__(type) name

#define this_cpu_ptr(var) ((__typeof__(&(var)))((uintptr_t)&(var) + arch_percpu_base()))
#define this_cpu(var) (*this_cpu_ptr(var))

extern uintptr_t percpu_offsets[MAX_CPUS];
#define per_cpu_ptr(var, cpu) ((__typeof__(&(var)))((uintptr_t)&(var) + percpu_offsets[cpu]))
#define per_cpu(var, cpu) (*per_cpu_ptr(var, cpu))

// The same for what percpu_alloc returned; `p` itself is the boot CPU's copy.
#define this_cpu_of(p) ((__typeof__(p))((uintptr_t)(p) + arch_percpu_base()))
#define per_cpu_of(p, cpu) ((__typeof__(p))((uintptr_t)(p) + percpu_offsets[cpu]))

DECLARE_PERCPU(unsigned, cpu_number); // logical number, 0 is the boot CPU
#define this_cpu_number() this_cpu(cpu_number)

// Copies the linked values of the static variables away, for the CPUs to come; the first thing that
// kernel_start does, before anything has changed them.
void percpu_keep_static(void);
// Sets the areas of `cpus` CPUs up (at most MAX_CPUS): static copies for all but the boot CPU, with
// the values that percpu_keep_static kept and their number, and pages for the first dynamic
// objects. Once, from boot.c, after page_alloc_init and before slab_init. -EINVAL, -ENOMEM.
int percpu_init(unsigned cpus);
unsigned percpu_cpus(void); // CPUs that have copies

// A zeroed object of `bytes` for each CPU, aligned to `align` (power of two, at most PAGE_SIZE;
// 0: 16). Address of the boot CPU's copy; NULL when out of memory, or of room (PERCPU_ROOM). With
// GFP_ATOMIC or GFP_NOWAIT only what is backed by pages already is given out, of which GFP_KERNEL
// callers leave 8 KiB behind: any context. GFP_KERNEL: thread context or boot. The pages serve many
// objects and stay; they are charged to the account "per-cpu", whatever `gfp` says.
void *percpu_alloc(size_t bytes, size_t align, unsigned gfp);
void percpu_free(void *object); // NULL is allowed; any context

struct percpu_stats {
    size_t static_bytes, used_bytes, backed_bytes; // of one CPU; used and backed: dynamic
    unsigned cpus;
};
void percpu_get_stats(struct percpu_stats *stats);

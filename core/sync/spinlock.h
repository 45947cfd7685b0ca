// SPDX-License-Identifier: BSD-2-Clause
//
// Spinlocks: fair (ticket order), for short sections that do not sleep. Take one with
// spin_lock() where only threads contend, spin_lock_bh() where softirqs do too, spin_lock_irqsave()
// where interrupt handlers do. All of them disable preemption while held.

#pragma once

#include <stdatomic.h>

#include "arch/cpu.h"
#include "core/sched/preempt.h"

struct spinlock {
    _Atomic uint16_t next, owner;
};

#define SPINLOCK_INIT {0, 0}

static inline void spin_init(struct spinlock *lock)
{
    atomic_store_explicit(&lock->next, 0, memory_order_relaxed);
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
}

// The bare lock, for callers that have preemption or interrupts off already.
static inline void spin_lock_raw(struct spinlock *lock)
{
    uint16_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);
    // Acquire pairs with the release in spin_unlock_raw of the previous owner.
    while (atomic_load_explicit(&lock->owner, memory_order_acquire) != ticket)
        arch_cpu_relax();
}
static inline void spin_unlock_raw(struct spinlock *lock)
{
    uint16_t owner = atomic_load_explicit(&lock->owner, memory_order_relaxed);
    atomic_store_explicit(&lock->owner, (uint16_t)(owner + 1), memory_order_release);
}
static inline bool spin_is_locked(struct spinlock *lock)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) !=
           atomic_load_explicit(&lock->next, memory_order_relaxed);
}

static inline void spin_lock(struct spinlock *lock)
{
    preempt_disable();
    spin_lock_raw(lock);
}
static inline void spin_unlock(struct spinlock *lock)
{
    spin_unlock_raw(lock);
    preempt_enable();
}

static inline void spin_lock_bh(struct spinlock *lock)
{
    softirq_disable();
    spin_lock_raw(lock);
}
static inline void spin_unlock_bh(struct spinlock *lock)
{
    spin_unlock_raw(lock);
    softirq_enable();
}

// A preemption that became due inside is caught up with when interrupts come back.
static inline __attribute__((warn_unused_result)) irq_flags_t
spin_lock_irqsave(struct spinlock *lock)
{
    irq_flags_t flags = arch_irq_save();
    spin_lock_raw(lock);
    return flags;
}
static inline void spin_unlock_irqrestore(struct spinlock *lock, irq_flags_t flags)
{
    spin_unlock_raw(lock);
    arch_irq_restore(flags);
    if (unlikely(this_cpu(cpu_context).need_resched))
        preempt_check();
}

// SPDX-License-Identifier: BSD-2-Clause
//
// What the compilers call: a check before each access, and marks in the shadow of frames. The names
// are those of GCC's and clang's address sanitizer.

#include "core/sched/thread.h"
#include "mm/kasan_shadow.h"

#include <string.h>

static __noinline void check_slowly(uintptr_t addr, size_t bytes, bool write, const void *pc)
{
    uintptr_t bad = shadow_first_bad(addr, bytes);
    if (bad)
        kasan_report(addr, bytes, write, bad, pc);
}

// Most accesses lie in one granule, all of which may be touched.
static __always_inline void check(uintptr_t addr, size_t bytes, bool write, const void *pc)
{
    if (!kasan_active || !bytes)
        return;
    if (likely(addr % GRANULE + bytes <= GRANULE && shadow_exists(addr) && *shadow_of(addr) == 0))
        return;
    check_slowly(addr, bytes, write, pc);
}

void kasan_check(uintptr_t addr, size_t bytes, bool write, const void *pc)
{
    check(addr, bytes, write, pc);
}

#define CHECK_SIZE(n)                                       \
    void __asan_load##n##_noabort(uintptr_t addr);          \
    void __asan_load##n##_noabort(uintptr_t addr)           \
    {                                                       \
        check(addr, n, false, __builtin_return_address(0)); \
    }                                                       \
    void __asan_store##n##_noabort(uintptr_t addr);         \
    void __asan_store##n##_noabort(uintptr_t addr)          \
    {                                                       \
        check(addr, n, true, __builtin_return_address(0));  \
    }
CHECK_SIZE(1)
CHECK_SIZE(2)
CHECK_SIZE(4)
CHECK_SIZE(8)
CHECK_SIZE(16)

void __asan_loadN_noabort(uintptr_t addr, size_t bytes);
void __asan_loadN_noabort(uintptr_t addr, size_t bytes)
{
    check(addr, bytes, false, __builtin_return_address(0));
}

void __asan_storeN_noabort(uintptr_t addr, size_t bytes);
void __asan_storeN_noabort(uintptr_t addr, size_t bytes)
{
    check(addr, bytes, true, __builtin_return_address(0));
}

// ---- Stacks ----------------------------------------------------------------------------------

// Top of the stack that holds `sp`: a thread's, or one of the boot CPU's (stacks.S).
static uintptr_t stack_top_of(uintptr_t sp)
{
    extern char boot_stack_guard[], boot_stack_top[], irq_stack_top[], fault_stack_top[];
    const struct thread *thread = thread_current();
    if (thread && sp - (uintptr_t)thread->stack < thread->stack_bytes)
        return (uintptr_t)thread->stack + thread->stack_bytes;
    char *const tops[] = {boot_stack_top, irq_stack_top, fault_stack_top};
    for (unsigned i = 0; sp >= (uintptr_t)boot_stack_guard && i < ARRAY_SIZE(tops); i++) {
        if (sp < (uintptr_t)tops[i])
            return (uintptr_t)tops[i];
    }
    return sp;
}

// Before a call that does not return (longjmp, thread_exit): the frames from here up end without
// taking their marks away.
void __asan_handle_no_return(void);
void __asan_handle_no_return(void)
{
    uintptr_t sp = ALIGN_DOWN((uintptr_t)__builtin_frame_address(0), GRANULE);
    kasan_unpoison((void *)sp, stack_top_of(sp) - sp);
}

// A variable's block ends, or begins.
void __asan_poison_stack_memory(const void *start, size_t bytes);
void __asan_poison_stack_memory(const void *start, size_t bytes)
{
    memset(shadow_of((uintptr_t)start), STACK_SCOPE, DIV_ROUND_UP(bytes, GRANULE));
}

void __asan_unpoison_stack_memory(const void *start, size_t bytes);
void __asan_unpoison_stack_memory(const void *start, size_t bytes) { kasan_unpoison(start, bytes); }

// clang's, for long stretches: `shadow` is an address in the shadow.
#define SET_SHADOW(value)                                     \
    void __asan_set_shadow_##value(void *shadow, size_t len); \
    void __asan_set_shadow_##value(void *shadow, size_t len) { memset(shadow, 0x##value, len); }
SET_SHADOW(00)
SET_SHADOW(f1)
SET_SHADOW(f2)
SET_SHADOW(f3)
SET_SHADOW(f5)
SET_SHADOW(f8)

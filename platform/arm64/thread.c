// SPDX-License-Identifier: BSD-2-Clause
//
// Thread contexts: preparation, switch with FP/SIMD state, and unwinding by frame records
// (AAPCS64 6.4.6: x29 points at the saved x29, x30 pair).

#include "core/sched/thread.h"
#include "mm/gfp.h"
#include "platform/arm64/internal.h"

#define CPACR_FPEN (3UL << 20)

static void fp_access(bool on)
{
    ARCH_WRITE_SYSREG(cpacr_el1, on ? CPACR_FPEN : 0);
    __asm__ volatile("isb" ::: "memory");
}

void platform_thread_init(struct thread_context *ctx, void *stack_top, void (*entry)(void *),
                          void *arg)
{
    ctx->x19_x30[0] = (uintptr_t)entry; // x19, x20: arm64_thread_start
    ctx->x19_x30[1] = (uintptr_t)arg;
    ctx->x19_x30[10] = 0; // x29: end of the frame chain
    ctx->x19_x30[11] = (uintptr_t)arm64_thread_start;
    ctx->sp = (uintptr_t)stack_top & ~15UL;
    ctx->fp_used = 0;
}

void platform_thread_adopt(struct thread_context *ctx) { ctx->fp_used = 0; }

extern char boot_stack_guard[], boot_stack_top[];

void platform_boot_stack(void **lowest, size_t *bytes)
{
    *lowest = boot_stack_guard + PAGE_SIZE;
    *bytes = boot_stack_top - boot_stack_guard - PAGE_SIZE;
}

bool arm64_fp_first_use(void)
{
    struct thread *thread = thread_current();
    if (!thread || thread->context.fp_used)
        return false;
    thread->context.fp_used = 1;
    fp_access(true);
    thread->context.fp = (struct fp_state){0};
    fp_state_restore(&thread->context.fp);
    return true;
}

void platform_thread_switch(struct thread_context *prev, struct thread_context *next)
{
    if (prev->fp_used)
        fp_state_save(&prev->fp);
    if (next->fp_used) {
        fp_access(true);
        fp_state_restore(&next->fp);
    } else if (prev->fp_used) {
        fp_access(false);
    }
    arm64_switch(prev, next);
}

void platform_unwind_here(struct unwind_cursor *cursor)
{
    // Our own record goes with our return: start from the caller's.
    cursor->fp = *(const uintptr_t *)__builtin_frame_address(0);
    cursor->pc = (uintptr_t)__builtin_return_address(0);
}

void platform_unwind_frame(struct unwind_cursor *cursor, const struct trap_frame *frame)
{
    cursor->fp = frame->x[29];
    cursor->pc = frame->pc;
}

void platform_unwind_context(struct unwind_cursor *cursor, const struct thread_context *ctx)
{
    cursor->fp = ctx->x19_x30[10];
    cursor->pc = ctx->x19_x30[11];
}

bool platform_unwind_step(struct unwind_cursor *cursor, uintptr_t stack_low, uintptr_t stack_high)
{
    uintptr_t fp = cursor->fp;
    if (fp < stack_low || stack_high < 16 || fp > stack_high - 16 || !IS_ALIGNED(fp, 8))
        return false;
    const uintptr_t *record = (const uintptr_t *)fp;
    if (!record[1] || (record[0] && record[0] <= fp))
        return false; // the chain ends, or does not grow towards the caller
    cursor->fp = record[0];
    cursor->pc = record[1] - 4; // the call, not the return address
    return true;
}

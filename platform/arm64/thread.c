// SPDX-License-Identifier: BSD-2-Clause
//
// Thread contexts: preparation, switch with FP/SIMD state, and unwinding by frame records
// (AAPCS64 6.4.6: x29 points at the saved x29, x30 pair).

#include "platform/common/thread.h"
#include "platform/arm64/internal.h"
#include "platform/platform.h"

#define CPACR_FPEN (3UL << 20)

void fp_access(bool on)
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

void platform_unwind_here(struct unwind_cursor *cursor)
{
    // Our own record goes with our return: start from the caller's.
    const uintptr_t *record = __builtin_frame_address(0);
    *cursor = (struct unwind_cursor){.pc = record[1] - 4, .sp = record[0], .fp = record[0]};
}

void platform_unwind_frame(struct unwind_cursor *cursor, const struct trap_frame *frame)
{
    *cursor = (struct unwind_cursor){
        .pc = frame->pc, .sp = frame->sp, .fp = frame->x[29], .ra = frame->x[30] - 4};
}

void platform_unwind_context(struct unwind_cursor *cursor, const struct thread_context *ctx)
{
    *cursor =
        (struct unwind_cursor){.pc = ctx->x19_x30[11] - 4, .sp = ctx->sp, .fp = ctx->x19_x30[10]};
}

bool platform_unwind_step(struct unwind_cursor *cursor, uintptr_t stack_low, uintptr_t stack_high)
{
    uintptr_t fp = cursor->fp;
    if (fp < stack_low || stack_high < 16 || fp > stack_high - 16 || !IS_ALIGNED(fp, 8))
        return false;
    const uintptr_t *record = (const uintptr_t *)fp;
    if (!record[1] || (record[0] && record[0] <= fp))
        return false; // the chain ends, or does not grow towards the caller
    cursor->sp = fp + 16;
    cursor->fp = record[0];
    cursor->pc = record[1] - 4; // the call, not the return address
    cursor->ra = 0;
    return true;
}

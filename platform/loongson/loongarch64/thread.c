// SPDX-License-Identifier: BSD-2-Clause
//
// Thread contexts: preparation, switch with floating-point state, and unwinding by frame records.
// $fp holds the stack pointer of the caller; the caller's $fp is stored at $fp - 16 and the return
// address at $fp - 8. GCC's leaf functions store $fp alone, at $fp - 8.

#include "platform/common/thread.h"
#include "platform/loongson/loongarch64/internal.h"
#include "platform/platform.h"

void fp_access(bool on) { (void)ARCH_CSR_EXCHANGE(CSR_EUEN, on ? EUEN_FPE : 0, EUEN_FPE); }

void platform_thread_init(struct thread_context *ctx, void *stack_top, void (*entry)(void *),
                          void *arg)
{
    ctx->s[0] = (uintptr_t)entry; // $s0, $s1: loongarch_thread_start
    ctx->s[1] = (uintptr_t)arg;
    ctx->fp = 0; // end of the frame chain
    ctx->ra = (uintptr_t)loongarch_thread_start;
    ctx->sp = (uintptr_t)stack_top & ~15UL;
    ctx->fp_used = 0;
}

#define CALL_BYTES 4 // the return address is that far behind the call

void platform_unwind_here(struct unwind_cursor *cursor)
{
    __asm__ volatile("" : : : "$r1"); // no leaf: the record shall be whole
    // Our own record goes with our return: start from the caller's.
    uintptr_t fp = (uintptr_t)__builtin_frame_address(0);
    const uintptr_t *record = (const uintptr_t *)fp - 2;
    *cursor = (struct unwind_cursor){.pc = record[1] - CALL_BYTES, .sp = fp, .fp = record[0]};
}

void platform_unwind_frame(struct unwind_cursor *cursor, const struct trap_frame *frame)
{
    *cursor = (struct unwind_cursor){.pc = frame->pc,
                                     .sp = frame->r[REG_SP],
                                     .fp = frame->r[REG_FP],
                                     .ra = frame->r[REG_RA] - CALL_BYTES};
}

void platform_unwind_context(struct unwind_cursor *cursor, const struct thread_context *ctx)
{
    *cursor = (struct unwind_cursor){.pc = ctx->ra - CALL_BYTES, .sp = ctx->sp, .fp = ctx->fp};
}

extern char __text_start[], __text_end[];

static bool in_text(uintptr_t address)
{
    return address >= (uintptr_t)__text_start && address < (uintptr_t)__text_end;
}

bool platform_unwind_step(struct unwind_cursor *cursor, uintptr_t stack_low, uintptr_t stack_high)
{
    uintptr_t fp = cursor->fp;
    if (fp < stack_low || fp - stack_low < 16 || fp > stack_high || !IS_ALIGNED(fp, 8))
        return false;
    const uintptr_t *record = (const uintptr_t *)fp - 2;
    uintptr_t caller = record[0], pc = record[1] - CALL_BYTES;
    if (!in_text(pc) && in_text(cursor->ra)) { // a leaf, interrupted
        caller = record[1];
        pc = cursor->ra;
    }
    if (!in_text(pc) || (caller && caller <= fp))
        return false; // the chain ends, or does not grow towards the caller
    cursor->sp = fp;
    cursor->fp = caller;
    cursor->pc = pc; // the call, not the return address
    cursor->ra = 0;
    return true;
}

// SPDX-License-Identifier: BSD-2-Clause
//
// Thread contexts: preparation, switch with FP state, and unwinding. Nothing describes a frame but
// the code that makes it, so the start of the function is read up to the place in question (MIPS64
// Architecture, volume II, for the encodings; n64 calling convention). What is relied on: one
// prologue, which takes the whole frame with one DADDIU of at most 32 KiB before it saves anything
// with SD, relative to $sp; and $fp copied from $sp behind that, whenever $sp moves again. Both
// compilers do so with -fno-omit-frame-pointer.

#include "platform/common/thread.h"
#include "platform/loongson/loongson3/internal.h"
#include "platform/platform.h"

void fp_access(bool on)
{
    uint32_t status = ARCH_READ_CP0_32(12, 0);
    ARCH_WRITE_CP0_32(12, 0, on ? status | STATUS_CU1 : status & ~STATUS_CU1);
}

void platform_thread_init(struct thread_context *ctx, void *stack_top, void (*entry)(void *),
                          void *arg)
{
    ctx->s[0] = (uintptr_t)entry; // loongson3_thread_start
    ctx->s[1] = (uintptr_t)arg;
    ctx->fp = 0;
    ctx->ra = (uintptr_t)loongson3_thread_start;
    ctx->sp = (uintptr_t)stack_top & ~15UL;
    ctx->fp_used = 0;
}

// ---- Unwinding -------------------------------------------------------------------------------

#define CALL_BYTES 8            // a return address is behind the call and its delay slot
#define SCAN_INSTRUCTIONS 2048U // a prologue may stand behind a first check (shrink-wrapping)

#define INSN_UPPER(insn) ((insn) >> 16)
#define INSN_IMMEDIATE(insn) ((int16_t)(insn))
#define UPPER_DADDIU_SP_SP 0x67bd
#define UPPER_SD_RA_SP 0xffbf
#define UPPER_SD_FP_SP 0xffbe
#define MOVE_FP_SP_DADDU 0x03a0f02d
#define MOVE_FP_SP_OR 0x03a0f025

struct frame_layout {
    int bytes;        // 0: none
    int ra_at, fp_at; // offsets from its low end; -1: not saved
    bool fp_is_base;  // $fp holds its low end
};

static void scan_instruction(struct frame_layout *layout, uint32_t insn)
{
    unsigned upper = INSN_UPPER(insn);
    int immediate = INSN_IMMEDIATE(insn);
    if (upper == UPPER_DADDIU_SP_SP && immediate < 0 && !layout->bytes)
        layout->bytes = -immediate;
    else if (upper == UPPER_SD_RA_SP && immediate >= 0 && layout->ra_at < 0)
        layout->ra_at = immediate;
    else if (upper == UPPER_SD_FP_SP && immediate >= 0 && layout->fp_at < 0)
        layout->fp_at = immediate;
    else if (insn == MOVE_FP_SP_DADDU || insn == MOVE_FP_SP_OR)
        layout->fp_is_base = true;
}

// The frame as the instructions before `end_pc` make it.
static struct frame_layout scan_function(uintptr_t function, uintptr_t end_pc)
{
    struct frame_layout layout = {.ra_at = -1, .fp_at = -1};
    const uint32_t *insn = (const uint32_t *)function, *end = insn + SCAN_INSTRUCTIONS;
    for (; insn < end && (uintptr_t)insn < end_pc; insn++)
        scan_instruction(&layout, *insn);
    return layout;
}

void platform_unwind_frame(struct unwind_cursor *cursor, const struct trap_frame *frame)
{
    *cursor = (struct unwind_cursor){
        .pc = frame->epc, .sp = frame->r[29], .fp = frame->r[30], .ra = frame->r[31] - CALL_BYTES};
}

void platform_unwind_context(struct unwind_cursor *cursor, const struct thread_context *ctx)
{
    *cursor = (struct unwind_cursor){.pc = ctx->ra - CALL_BYTES, .sp = ctx->sp, .fp = ctx->fp};
}

// Reads a saved register; false outside the stack.
static bool read_saved(uintptr_t base, int offset, uintptr_t low, uintptr_t high, uintptr_t *value)
{
    uintptr_t place = base + (unsigned)offset;
    if (place < low || high < 8 || place > high - 8 || !IS_ALIGNED(place, 8))
        return false;
    *value = *(const uintptr_t *)place;
    return true;
}

bool platform_unwind_step(struct unwind_cursor *cursor, uintptr_t stack_low, uintptr_t stack_high)
{
    struct frame_layout layout = {.ra_at = -1, .fp_at = -1};
    // A caller has executed its call, and what is in the delay slot.
    if (cursor->function)
        layout = scan_function(cursor->function, cursor->pc + (cursor->ra ? 0 : CALL_BYTES));
    uintptr_t base = layout.fp_is_base ? cursor->fp : cursor->sp;
    uintptr_t fp = cursor->fp, ra = cursor->ra + CALL_BYTES;
    if (layout.bytes && layout.ra_at >= 0) {
        if (!read_saved(base, layout.ra_at, stack_low, stack_high, &ra))
            return false;
    } else if (!cursor->ra) {
        return false; // the chain ends, or its end is not understood
    }
    if (layout.fp_at >= 0 && !read_saved(base, layout.fp_at, stack_low, stack_high, &fp))
        return false;
    if (!ra)
        return false;
    *cursor = (struct unwind_cursor){
        .pc = ra - CALL_BYTES, .sp = base + (unsigned)layout.bytes, .fp = fp};
    return true;
}

void platform_unwind_here(struct unwind_cursor *cursor)
{
    uintptr_t pc, sp = (uintptr_t)__builtin_frame_address(0);
    __asm__ volatile(".set push\n\t"
                     ".set noreorder\n\t"
                     "bal 1f\n\t"
                     "nop\n"
                     "1:\tmove %0, $31\n\t"
                     ".set pop"
                     : "=r"(pc)
                     :
                     : "$31");
    *cursor = (struct unwind_cursor){
        .pc = pc, .sp = sp, .fp = sp, .function = (uintptr_t)platform_unwind_here};
    (void)platform_unwind_step(cursor, sp, sp + (1UL << ARCH_PAGE_SHIFT));
    __asm__ volatile(""); // no tail call: our own frame is what is read
}

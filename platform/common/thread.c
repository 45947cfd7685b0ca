// SPDX-License-Identifier: BSD-2-Clause
//
// Thread contexts as all machines treat them: FP state goes with the threads that have used it, and
// only those pay for it at a switch; the boot code becomes the first thread.

#include "platform/common/thread.h"

#include "arch/layout.h"
#include "mm/percpu.h"
#include "platform/platform.h"

#define STACK_GUARD_BYTES (1UL << ARCH_PAGE_SHIFT) // stacks.S

// The running thread's context, for the first use of FP; NULL before there are threads.
static DEFINE_PERCPU(struct thread_context *, current_context);

void platform_thread_adopt(struct thread_context *ctx)
{
    ctx->fp_used = 0;
    this_cpu(current_context) = ctx;
}

extern char boot_stack_guard[], boot_stack_top[];

void platform_boot_stack(void **lowest, size_t *bytes)
{
    *lowest = boot_stack_guard + STACK_GUARD_BYTES;
    *bytes = boot_stack_top - boot_stack_guard - STACK_GUARD_BYTES;
}

bool thread_fp_first_use(void)
{
    struct thread_context *ctx = this_cpu(current_context);
    if (!ctx || ctx->fp_used)
        return false;
    ctx->fp_used = 1;
    fp_access(true);
    ctx->fp_state = (struct fp_state){0}; // control registers too: to nearest, no traps
    fp_state_restore(&ctx->fp_state);
    return true;
}

void platform_thread_switch(struct thread_context *prev, struct thread_context *next)
{
    if (prev->fp_used)
        fp_state_save(&prev->fp_state);
    if (next->fp_used) {
        fp_access(true);
        fp_state_restore(&next->fp_state);
    } else if (prev->fp_used) {
        fp_access(false);
    }
    this_cpu(current_context) = next;
    context_switch(prev, next);
}

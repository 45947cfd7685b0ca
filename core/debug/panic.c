// SPDX-License-Identifier: BSD-2-Clause
//
// The end of the line (contract in panic.h). Everything here works with the least of the system:
// polled output, no locks, no allocation, and a failure inside the report cuts the report short
// instead of starting another one.

#include "core/debug/panic.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include "core/debug/report.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "core/sched/preempt.h"
#include "core/sched/thread.h"
#include "core/time/clock.h"
#include "mm/kasan.h"

enum panic_action { PANIC_HALT, PANIC_REBOOT, PANIC_POWEROFF };

static enum panic_action action = PANIC_HALT;
static unsigned reboot_delay_s;
static _Atomic unsigned reports; // begun so far

// `panic=`, as panic.h describes it.
static int set_policy(const char *value)
{
    uint64_t seconds;
    if (strcmp(value, "poweroff") == 0) {
        action = PANIC_POWEROFF;
    } else if (strcmp(value, "-1") == 0) {
        action = PANIC_REBOOT;
        reboot_delay_s = 0;
    } else if (parse_u64(value, SIZE_MAX, &seconds) == 0 && seconds <= INT_MAX) {
        action = seconds ? PANIC_REBOOT : PANIC_HALT;
        reboot_delay_s = (unsigned)seconds;
    } else {
        return -EINVAL;
    }
    return 0;
}
BOOT_PARAM(panic_param, "panic", set_policy);

// Each method may be missing on this machine: then the next best is to halt.
_Noreturn void panic_finish(void)
{
    if (action == PANIC_REBOOT && reboot_delay_s) {
        log_write(LOG_EMERG, "rebooting in %u s", reboot_delay_s);
        // Before there is a clock, seconds cannot be waited for.
        for (unsigned s = 0; s < reboot_delay_s && platform_counter_hz(); s++)
            clock_delay_us(1000000);
    }
    if (action == PANIC_REBOOT)
        platform_reset();
    if (action == PANIC_POWEROFF)
        platform_power_off();
    log_write(LOG_EMERG, "system halted");
    platform_halt();
}

void report_begin(const char *what)
{
    arch_irq_disable();
    kasan_stop(); // what a report reads may be damaged
    unsigned before = atomic_fetch_add(&reports, 1);
    if (before == 0) {
        log_panic();
        return;
    }
    if (before == 1) {
        log_write(LOG_EMERG, "%s inside a failure report; the report ends here", what);
        panic_finish();
    }
    platform_halt(); // even the line above failed
}

void report_context(void)
{
    const struct thread *thread = thread_current();
    if (thread)
        log_write(LOG_EMERG, "  CPU %u, thread \"%.*s\" (%u)%s", this_cpu_number(), THREAD_NAME_MAX,
                  thread->name, thread->id, in_interrupt() ? ", in interrupt" : "");
    else
        log_write(LOG_EMERG, "  CPU %u, before the first thread", this_cpu_number());
}

_Noreturn void panic(const char *fmt, ...)
{
    // Formatted before the report begins: arguments that fault are then reported themselves.
    char text[sizeof(((struct log_line *)0)->text)];
    va_list args;
    va_start(args, fmt);
    fmt_vsnprint(text, sizeof(text), fmt, args);
    va_end(args);
    report_begin("panic");
    log_write(LOG_EMERG, "panic: %s", text);
    report_context();
    struct unwind_cursor cursor;
    platform_unwind_here(&cursor);
    backtrace_print(LOG_EMERG, cursor);
    panic_finish();
}

// SPDX-License-Identifier: BSD-2-Clause
//
// Commands about the machine itself: version, memory, threads, interrupts, log, power.

#include <string.h>

#include "apps/common/command.h"
#include "apps/common/errors.h"
#include "apps/common/memory.h"
#include "core/debug/log.h"
#include "core/irq/irq.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "core/sched/thread.h"
#include "core/time/clock.h"
#include "drivers/serial/serial.h"
#include "mm/memblock.h"
#include "mm/page_alloc.h"
#include "mm/slab.h"
#include "mm/vmalloc.h"

#define SLUICE_VERSION "0.1"

static unsigned long long kib(uint64_t bytes) { return bytes >> 10; }

// ---- show version ----------------------------------------------------------------------------

static void print_uptime(struct command_out *out)
{
    unsigned long long s = clock_monotonic_ns() / NSEC_PER_SEC;
    command_print(out, "Uptime    %llu d %02llu:%02llu:%02llu\n", s / 86400, s / 3600 % 24,
                  s / 60 % 60, s % 60);
}

static int show_version(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    char cpu[64] = "";
    struct page_stats memory;
    platform_cpu_name(cpu, sizeof(cpu));
    page_get_stats(&memory);
    command_print(out, "Sluice %s, application '%s'\n", SLUICE_VERSION, bootparam_argv()[0]);
    command_print(out, "Compiler  %s\n", __VERSION__);
    command_print(out, "CPU       %s\n", cpu);
    command_print(out, "Memory    %llu KiB, %llu KiB free\n", kib(memblock_memory_bytes()),
                  kib(memory.free_bytes));
    print_uptime(out);
    return 0;
}
CONSOLE_COMMAND(show_version_command, "show version", "", "version, CPU, memory, uptime",
                show_version);

// ---- show threads ----------------------------------------------------------------------------

#define THREADS_SHOWN 64

struct thread_row {
    char name[THREAD_NAME_MAX];
    uint64_t runtime_ns, switches;
    size_t stack_bytes, stack_most; // most: ever used, 0 unknown
    uint32_t id;
    enum thread_state state;
};
struct thread_rows {
    unsigned count; // of all threads
    struct thread_row rows[THREADS_SHOWN];
};

// The list of threads is locked meanwhile, so this only copies; printing waits for the terminal.
static void take_thread(const struct thread *thread, void *arg)
{
    struct thread_rows *rows = arg;
    if (rows->count < THREADS_SHOWN) {
        struct thread_row *row = &rows->rows[rows->count];
        *row = (struct thread_row){.runtime_ns = thread->runtime_ns,
                                   .switches = thread->switches,
                                   .stack_bytes = thread->stack_bytes,
                                   .id = thread->id,
                                   .state = thread->state};
        memcpy(row->name, thread->name, sizeof(row->name));
    }
    rows->count++;
}

// The stack is there as long as the thread is on the list. Those of the start, which are in the
// image, are not cleared and cannot tell.
static void take_stack(const struct thread *thread, void *arg)
{
    struct thread_row *row = arg;
    if (thread->id == row->id && vmalloc_contains(thread->stack))
        row->stack_most = stack_high_water(thread->stack, thread->stack_bytes);
}

static void print_thread(struct command_out *out, const struct thread_row *row)
{
    static const char *const states[] = {[THREAD_READY] = "ready",
                                         [THREAD_RUNNING] = "running",
                                         [THREAD_BLOCKED] = "asleep",
                                         [THREAD_DEAD] = "ended"};
    char most[24] = "-";
    if (row->stack_most)
        fmt_snprint(most, sizeof(most), "%llu", (unsigned long long)row->stack_most);
    command_print(out, "%4u %-15.15s %-8s %12llu %10llu %7llu %8s\n", row->id, row->name,
                  states[row->state], (unsigned long long)(row->runtime_ns / NSEC_PER_USEC),
                  (unsigned long long)row->switches, kib(row->stack_bytes), most);
}

static int show_threads(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    struct thread_rows *rows = kcalloc(1, sizeof(*rows), GFP_CONFIG);
    if (!rows) {
        command_print(out, "out of memory\n");
        return -ENOMEM;
    }
    thread_for_each(take_thread, rows);
    command_print(out, "%4s %-15s %-8s %12s %10s %7s %8s\n", "Id", "Name", "State", "Time us",
                  "Switches", "Stack K", "Most B");
    for (unsigned i = 0; i < MIN(rows->count, (unsigned)THREADS_SHOWN); i++) {
        thread_for_each(take_stack, &rows->rows[i]); // one at a time: the list is locked
        print_thread(out, &rows->rows[i]);
    }
    if (rows->count > THREADS_SHOWN)
        command_print(out, "and %u more\n", rows->count - THREADS_SHOWN);
    kfree(rows);
    return 0;
}
CONSOLE_COMMAND(show_threads_command, "show threads", "", "threads and their CPU time",
                show_threads);

// ---- show irq, show log ---------------------------------------------------------------

static int show_irq(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    struct irq_stats stats;
    command_print(out, "%4s %12s %10s  %-12s %6s  %s\n", "IRQ", "Count", "Unhandled", "Chip",
                  "Line", "Name");
    for (int irq = 0; irq < IRQ_MAX; irq++) {
        if (irq_get_stats(irq, &stats))
            command_print(out, "%4d %12llu %10llu  %-12s %6u  %s\n", irq,
                          (unsigned long long)stats.count, (unsigned long long)stats.unhandled,
                          stats.chip ? stats.chip : "-", stats.hwirq,
                          stats.name ? stats.name : "-");
    }
    struct serial_stats serial;
    serial_get_stats(&serial);
    command_print(out, "console: %llu characters received, %llu lost, %llu not sent\n",
                  (unsigned long long)serial.rx_chars, (unsigned long long)serial.rx_overruns,
                  (unsigned long long)serial.tx_lost);
    return 0;
}
CONSOLE_COMMAND(show_irq_command, "show irq", "", "interrupt lines and their counts", show_irq);

// Lines that the console level kept back are here as well; <N> is their level.
static int show_log(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    struct log_line line;
    uint64_t cursor = 0;
    while (log_read(&cursor, &line) && !command_wait(out, 0)) {
        uint64_t us = line.time_ns / NSEC_PER_USEC;
        command_print(out, "[%5llu.%06llu] <%d> %s\n", (unsigned long long)(us / 1000000),
                      (unsigned long long)(us % 1000000), (int)line.level, line.text);
    }
    return 0;
}
CONSOLE_COMMAND(show_log_command, "show log", "", "the kernel log", show_log);

// Unlike `log level` in a configuration this lasts until the next boot or commit that changes it.
static int log_level(struct command_out *out, int argc, char **argv)
{
    uint64_t level;
    if (argc == 0) {
        command_print(out, "log level %d\n", (int)log_get_level());
        return 0;
    }
    if (argc > 1 || parse_u64(argv[0], SIZE_MAX, &level) || level > LOG_DEBUG)
        return COMMAND_USAGE;
    log_set_level((enum log_level)level);
    return 0;
}
CONSOLE_COMMAND(log_level_command, "log level", "[0-7]",
                "log lines that reach the console, until changed", log_level);

// ---- Power, help -----------------------------------------------------------------------------

// The log line goes out before the machine does: the last thing on the console names who did it.
static int power(struct command_out *out, int argc, const char *what, int (*change)(void))
{
    if (argc)
        return COMMAND_USAGE;
    log_notice("%s from the console", what);
    int err = change(); // returns only on failure
    command_print(out, "%s: %s\n", what, error_text(err));
    return err;
}

static int reboot(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    return power(out, argc, "reboot", platform_reset);
}
CONSOLE_COMMAND(reboot_command, "reboot", "", "restart the machine", reboot);

static int poweroff(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    return power(out, argc, "poweroff", platform_power_off);
}
CONSOLE_COMMAND(poweroff_command, "poweroff", "", "switch the machine off", poweroff);

static int help(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    command_print(out, "Commands can be shortened; Tab completes, '?' shows what may follow.");
    command_help(out, "", 0);
    return 0;
}
CONSOLE_COMMAND(help_command, "help", "", "this list", help);

// SPDX-License-Identifier: BSD-2-Clause
//
// The report of debug builds: requests that may sleep, made where nobody may, once for each place.
//
// unit-sources: mm/gfp.c

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/debug/log.h"
#include "core/debug/symbols.h"
#include "core/sched/sched.h"
#include "mm/gfp.h"

DEFINE_PERCPU(struct run_queue, run_queue);
static struct thread idle, other;
static unsigned reports;

void log_write(enum log_level level, const char *fmt, ...)
{
    (void)fmt;
    reports += level == LOG_ERR;
}

const char *symbol_lookup(uintptr_t addr, size_t *offset)
{
    (void)addr, (void)offset;
    return NULL;
}

static unsigned reported(uintptr_t site, uint32_t preempt_count, bool irqs, struct thread *current)
{
    unsigned before = reports;
    run_queue.idle = &idle;
    run_queue.current = current;
    cpu_context.preempt_count = preempt_count;
    host_irqs_on = irqs;
    gfp_check_context((const void *)site);
    return reports - before;
}

static void contexts(void **state)
{
    (void)state;
    assert_int_equal(reported(1, 0, true, &other), 0);
    assert_int_equal(reported(1, PREEMPT_ONE, true, &other), 1);
    assert_int_equal(reported(2, SOFTIRQ_ONE, true, &other), 1);
    assert_int_equal(reported(3, HARDIRQ_ONE, false, &other), 1);
    assert_int_equal(reported(4, 0, false, &other), 1);
    assert_int_equal(reported(5, 0, false, &idle), 0); // the boot code
    assert_int_equal(reported(5, HARDIRQ_ONE, false, &idle), 1);
}

static void once_a_site(void **state)
{
    (void)state;
    assert_int_equal(reported(100, PREEMPT_ONE, true, &other), 1);
    assert_int_equal(reported(100, PREEMPT_ONE, true, &other), 0);
    for (uintptr_t site = 1000; site < 2000; site++) // more than it can remember
        assert_true(reported(site, PREEMPT_ONE, true, &other) <= 1);
    assert_in_range(reports, 10, 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts),
        cmocka_unit_test(once_a_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

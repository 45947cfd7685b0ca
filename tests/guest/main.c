// SPDX-License-Identifier: BSD-2-Clause
//
// The test image: `-- fault NAME` ends in that fault, `-- damage NAME` does that damage, `-- only
// NAME` runs one of the suites below; without arguments all tests run and the machine powers off.

#include <stdio.h>
#include <string.h>

#include "platform/platform.h"
#include "tests/guest/guest.h"

static const struct guest_test *const suites[] = {
    thread_tests,  interrupt_tests, timer_tests,       softirq_tests,   memory_tests,
    virtual_tests, libc_tests,      libc_string_tests, libc_jump_tests, libc_float_tests,
    malloc_tests,  dma_tests,       full_tests,        hammer_tests};
// For machines or times of their own (tests/guest/run.py, tests/system/test_memory_map.py).
static const struct {
    const char *name;
    const struct guest_test *tests;
} alone[] = {
    {"dma", dma_tests}, {"fill", fill_tests}, {"full", full_tests}, {"hammer", hammer_long_tests}};
static const char *running;

bool guest_failed(const char *file, int line, const char *condition)
{
    printf("guest: FAIL %s: %s:%d: %s\n", running, file, line, condition);
    return false;
}

static void run_suite(const struct guest_test *test, int *passed, int *failed)
{
    for (; test->name; test++) {
        running = test->name;
        if (test->run()) {
            printf("guest: pass %s\n", test->name);
            ++*passed;
        } else {
            ++*failed;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "fault") == 0) {
        guest_fault_case(argv[2]);
        printf("guest: there is no fault case '%s'\n", argv[2]);
        return 2;
    }
    if (argc >= 2 && strcmp(argv[1], "undefined") == 0) {
        guest_undefined();
        printf("guest: undefined behaviour is behind us\n");
        return 0;
    }
    if (argc >= 3 && strcmp(argv[1], "damage") == 0) {
        guest_damage_case(argv[2]);
        printf("guest: nobody saw the damage '%s'\n", argv[2]);
        return 2;
    }
    int passed = 0, failed = 0;
    const char *only = argc >= 3 && strcmp(argv[1], "only") == 0 ? argv[2] : NULL;
    for (size_t i = 0; !only && i < ARRAY_SIZE(suites); i++)
        run_suite(suites[i], &passed, &failed);
    for (size_t i = 0; only && i < ARRAY_SIZE(alone); i++) {
        if (strcmp(only, alone[i].name) == 0)
            run_suite(alone[i].tests, &passed, &failed);
    }
    printf("guest: %d passed, %d failed\n", passed, failed);
    fflush(stdout);
    platform_power_off();
    return failed ? 1 : 0;
}

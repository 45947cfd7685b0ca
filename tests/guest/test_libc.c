// SPDX-License-Identifier: BSD-2-Clause
//
// newlib in the image: what an application expects of it. Strings, setjmp and floating point have
// files of their own.

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/sched/thread.h"
#include "tests/guest/guest.h"

static bool prints(void)
{
    char text[96];
    snprintf(text, sizeof(text), "%d %5.2f %-4s| %llx %c %zu", -7, 3.14159, "ab",
             0x1234567890abcdefULL, 'z', sizeof(text));
    CHECK(strcmp(text, "-7  3.14 ab  | 1234567890abcdef z 96") == 0);
    return true;
}

static bool converts(void)
{
    char *end;
    CHECK(strtol("-123abc", &end, 10) == -123 && strcmp(end, "abc") == 0);
    CHECK(strtol("0x7f", NULL, 0) == 127);
    errno = 0;
    CHECK(strtol("99999999999999999999", NULL, 10) == LONG_MAX && errno == ERANGE);
    CHECK(strtod("2.5e3", NULL) == 2500.0);
    return true;
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static bool sorts(void)
{
    int numbers[257];
    for (int i = 0; i < 257; i++)
        numbers[i] = (i * 7919) % 257;
    qsort(numbers, 257, sizeof(numbers[0]), compare);
    for (int i = 0; i < 257; i++)
        CHECK(numbers[i] == i);
    return true;
}

static bool tells_time(void)
{
    time_t now = time(NULL);
    struct tm tm;
    CHECK(now > 1700000000);
    CHECK(gmtime_r(&now, &tm) && tm.tm_year >= 123);
    return true;
}

static int set_errno(void *arg)
{
    (void)arg;
    errno = EDOM;
    return errno == EDOM ? 0 : 1;
}

static bool errno_is_per_thread(void)
{
    struct thread *thread;
    int code = -1;
    errno = ERANGE;
    CHECK(thread_create(&thread, set_errno, NULL, &(struct thread_options){.name = "errno"}) == 0);
    CHECK(thread_join(thread, &code) == 0 && code == 0);
    CHECK(errno == ERANGE);
    return true;
}

const struct guest_test libc_tests[] = {
    {"printf", prints},   {"strtol and strtod", converts},           {"qsort", sorts},
    {"time", tells_time}, {"errno per thread", errno_is_per_thread}, {NULL, NULL},
};

// SPDX-License-Identifier: BSD-2-Clause
//
// newlib in the image: what an application expects, and the known faults that the build mends.

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
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

// newlib's own reads a 128-bit long double through its 80-bit code.
static bool long_double(void)
{
    static const char third[] = "0.3333333333333333333333333333333333333333";
    long double value = 0;
    CHECK(strtold("0.5", NULL) == 0.5L);
    CHECK(strtold("0.1", NULL) == 0.1L); // exact to the last bit, as are all here
    CHECK(strtold(third, NULL) == 0.3333333333333333333333333333333333333333L);
    CHECK(strtold("1.18973149535723176508575932662800702e4932", NULL) == LDBL_MAX);
    CHECK(strtold("6.4751751194380251109244389582276465525e-4966", NULL) == 0x1p-16494L);
    CHECK(strtold("0x1.8p1", NULL) == 3);
    CHECK(sscanf("0.1", "%Lf", &value) == 1 && value == 0.1L);
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

static bool jumps(void)
{
    jmp_buf env;
    volatile int passes = 0;
    int value = setjmp(env);
    if (passes++ == 0)
        longjmp(env, 5);
    CHECK(value == 5 && passes == 2);
    return true;
}

static bool computes(void)
{
    volatile double x = 2.0;
    CHECK(fabs(sqrt(x) * sqrt(x) - 2.0) < 1e-12);
    CHECK(fabs(sin(x) * sin(x) + cos(x) * cos(x) - 1.0) < 1e-12);
    return true;
}

// The kernel's versions serve applications too: overlaps, odd lengths, every alignment.
static bool copies(void)
{
    static char buffer[256], model[256];
    for (size_t length = 0; length < 70; length += 3) {
        for (size_t from = 0; from < 9; from++) {
            for (size_t to = 0; to < 20; to++) {
                for (int i = 0; i < 256; i++)
                    buffer[i] = model[i] = (char)(i * 31);
                for (size_t i = 0; i < length; i++)
                    model[to + i] = (char)((from + i) * 31);
                memmove(buffer + to, buffer + from, length);
                CHECK(memcmp(buffer, model, sizeof(model)) == 0);
            }
        }
    }
    return true;
}

const struct guest_test libc_tests[] = {
    {"printf", prints},       {"strtol and strtod", converts},
    {"strtold", long_double}, {"qsort", sorts},
    {"time", tells_time},     {"errno per thread", errno_is_per_thread},
    {"setjmp", jumps},        {"math", computes},
    {"memmove", copies},      {NULL, NULL},
};

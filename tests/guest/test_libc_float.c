// SPDX-License-Identifier: BSD-2-Clause
//
// Floating point in the image: <fenv.h> moves the hardware (C11 7.6), each thread has its own
// environment, and numbers print and read to the last digit, long doubles of 128 bits as well.
//
// Operands are volatile, so that the machine computes them and not the compiler.

#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sched/thread.h"
#include "tests/guest/guest.h"

static volatile double zero = 0, one = 1, three = 3, huge = DBL_MAX, tiny = DBL_MIN, result;

struct rounding {
    int mode;
    double third, minus_third; // what 1.0 / 3.0 gives
};

#define LOW_THIRD 0x1.5555555555555p-2
#define HIGH_THIRD 0x1.5555555555556p-2
static const struct rounding roundings[] = {
    {FE_UPWARD, HIGH_THIRD, -LOW_THIRD},
    {FE_DOWNWARD, LOW_THIRD, -HIGH_THIRD},
    {FE_TOWARDZERO, LOW_THIRD, -LOW_THIRD},
    {FE_TONEAREST, LOW_THIRD, -LOW_THIRD},
};

static bool rounds_as(const struct rounding *r)
{
    result = one / three;
    CHECK(result == r->third);
    result = -one / three;
    CHECK(result == r->minus_third);
    CHECK(fegetround() == r->mode);
    return true;
}

static bool rounding_modes(void)
{
    bool good = fegetround() == FE_TONEAREST;
    for (size_t i = 0; i < ARRAY_SIZE(roundings); i++)
        good = good && fesetround(roundings[i].mode) == 0 && rounds_as(&roundings[i]);
    CHECK(good);
    CHECK(fesetround(0x7fffffff) != 0 && fegetround() == FE_TONEAREST);
    return true;
}

// Nearest is not down (5/3 rounds up), and a tie goes to the even neighbour.
static bool rounds_to_nearest(void)
{
    result = (one + one + three) / three;
    CHECK(result == 0x1.aaaaaaaaaaaabp+0);
    result = one + DBL_EPSILON / 2;
    CHECK(result == 1.0);
    return true;
}

struct operation {
    volatile double *a, *b;
    char op;
    int raises;
};

static const struct operation operations[] = {
    {&one, &zero, '/', FE_DIVBYZERO},
    {&zero, &zero, '/', FE_INVALID},
    {&huge, &three, '*', FE_OVERFLOW | FE_INEXACT},
    {&tiny, &three, '/', FE_UNDERFLOW | FE_INEXACT},
    {&one, &three, '/', FE_INEXACT},
    {&one, &one, '/', 0},
};

static bool flags_by_operations(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        const struct operation *o = &operations[i];
        CHECK(feclearexcept(FE_ALL_EXCEPT) == 0 && fetestexcept(FE_ALL_EXCEPT) == 0);
        result = o->op == '/' ? *o->a / *o->b : *o->a * *o->b;
        CHECK(fetestexcept(FE_ALL_EXCEPT) == o->raises);
        CHECK(fetestexcept(FE_DIVBYZERO) == (o->raises & FE_DIVBYZERO));
    }
    return true;
}

static bool flags_by_hand(void)
{
    fexcept_t saved;
    CHECK(feclearexcept(FE_ALL_EXCEPT) == 0);
    CHECK(feraiseexcept(FE_INVALID | FE_INEXACT) == 0);
    CHECK(fetestexcept(FE_ALL_EXCEPT) == (FE_INVALID | FE_INEXACT));
    CHECK(fegetexceptflag(&saved, FE_INVALID | FE_DIVBYZERO) == 0);
    CHECK(feclearexcept(FE_INVALID) == 0 && fetestexcept(FE_ALL_EXCEPT) == FE_INEXACT);
    CHECK(feraiseexcept(FE_DIVBYZERO) == 0);
    CHECK(fesetexceptflag(&saved, FE_INVALID | FE_DIVBYZERO) == 0); // sets one, clears the other
    CHECK(fetestexcept(FE_ALL_EXCEPT) == (FE_INVALID | FE_INEXACT));
    CHECK(feclearexcept(FE_ALL_EXCEPT) == 0 && fetestexcept(FE_ALL_EXCEPT) == 0);
    return true;
}

static bool environments(void)
{
    fenv_t saved, held;
    CHECK(feclearexcept(FE_ALL_EXCEPT) == 0 && fesetround(FE_UPWARD) == 0);
    CHECK(feraiseexcept(FE_OVERFLOW) == 0 && fegetenv(&saved) == 0);
    CHECK(fesetenv(FE_DFL_ENV) == 0);
    CHECK(fegetround() == FE_TONEAREST && fetestexcept(FE_ALL_EXCEPT) == 0);
    CHECK(fesetenv(&saved) == 0);
    CHECK(fegetround() == FE_UPWARD && fetestexcept(FE_ALL_EXCEPT) == FE_OVERFLOW);
    CHECK(feholdexcept(&held) == 0);
    CHECK(fegetround() == FE_UPWARD && fetestexcept(FE_ALL_EXCEPT) == 0);
    result = one / zero;
    CHECK(feupdateenv(&held) == 0); // what was held, and what came since
    CHECK(fetestexcept(FE_ALL_EXCEPT) == (FE_OVERFLOW | FE_DIVBYZERO));
    CHECK(fesetenv(FE_DFL_ENV) == 0);
    return true;
}

static int round_down(void *arg)
{
    (void)arg;
    fesetenv(FE_DFL_ENV);
    fesetround(FE_DOWNWARD);
    for (int i = 0; i < 20; i++) {
        result = -one / three;
        if (result != -HIGH_THIRD || fetestexcept(FE_ALL_EXCEPT) != FE_INEXACT)
            return 1;
        thread_yield();
    }
    return 0;
}

// Two threads take turns, each with a mode and flags of its own.
static bool one_for_each_thread(void)
{
    struct thread *thread;
    int code = -1;
    bool good = true;
    fesetenv(FE_DFL_ENV);
    fesetround(FE_UPWARD);
    feraiseexcept(FE_DIVBYZERO);
    CHECK(thread_create(&thread, round_down, NULL, &(struct thread_options){.name = "fenv"}) == 0);
    for (int i = 0; i < 20; i++) {
        thread_yield();
        good = good && fegetround() == FE_UPWARD && fetestexcept(FE_ALL_EXCEPT) == FE_DIVBYZERO;
    }
    CHECK(thread_join(thread, &code) == 0 && code == 0);
    CHECK(good && rounds_as(&roundings[0]));
    fesetenv(FE_DFL_ENV);
    return true;
}

static bool prints_as(const char *expected, const char *format, double value)
{
    char text[64];
    snprintf(text, sizeof(text), format, value);
    CHECK(strcmp(text, expected) == 0);
    return true;
}

static bool prints_doubles(void)
{
    return prints_as("0.1", "%g", 0.1) && prints_as("1e-05", "%g", 0.00001) &&
           prints_as("1e+06", "%g", 1e6) && prints_as("100000", "%g", 1e5) &&
           prints_as("0.10000000000000001", "%.17g", 0.1) && prints_as("inf", "%g", one / zero) &&
           prints_as("1.7976931348623157e+308", "%.17g", DBL_MAX) &&
           prints_as("4.9406564584124654e-324", "%.17g", 0x1p-1074) &&
           prints_as("-0.333333", "%f", -one / three) && prints_as("0x1.8p+1", "%a", 3.0) &&
           prints_as("3.333333e-01", "%e", one / three);
}

static bool long_prints_as(const char *expected, const char *format, long double value)
{
    char text[64];
    snprintf(text, sizeof(text), format, value);
    CHECK(strcmp(text, expected) == 0);
    return true;
}

static bool prints_long_doubles(void)
{
    return long_prints_as("0.1000000000000000000000000000000000048148", "%.40Lf", 0.1L) &&
           long_prints_as("0.333333", "%Lf", 1.0L / 3) && long_prints_as("-2.5", "%Lg", -2.5L) &&
           long_prints_as("1.18973149535723176508575932662800702e+4932", "%.36Lg", LDBL_MAX) &&
           long_prints_as("6.47518e-4966", "%Lg", 0x1p-16494L);
}

// newlib's own reads a 128-bit long double through its 80-bit code.
static bool reads_long_doubles(void)
{
    static const char third[] = "0.3333333333333333333333333333333333333333";
    long double value = 0;
    CHECK(strtold("0.5", NULL) == 0.5L);
    CHECK(strtold("0.1", NULL) == 0.1L); // exact to the last bit, as are all here
    CHECK(strtold(third, NULL) == 0.3333333333333333333333333333333333333333L);
    CHECK(strtold("1.18973149535723176508575932662800702e4932", NULL) == LDBL_MAX);
    CHECK(strtold("6.4751751194380251109244389582276465525e-4966", NULL) == 0x1p-16494L);
    CHECK(strtold("0x1.8p1", NULL) == 3);
    CHECK(strtold("-1e5000", NULL) == -HUGE_VALL && isnan(strtold("nan", NULL)));
    CHECK(sscanf("0.1", "%Lf", &value) == 1 && value == 0.1L);
    return true;
}

static bool computes(void)
{
    volatile double x = 2.0;
    CHECK(fabs(sqrt(x) * sqrt(x) - 2.0) < 1e-12);
    CHECK(fabs(sin(x) * sin(x) + cos(x) * cos(x) - 1.0) < 1e-12);
    CHECK(fabs(exp(log(x)) - 2.0) < 1e-12 && pow(x, 10) == 1024.0);
    CHECK(lrint(x + 0.5) == 2 && floor(-x / 4) == -1 && fmod(7, x) == 1);
    return true;
}

const struct guest_test libc_float_tests[] = {
    {"fenv: rounding modes", rounding_modes},
    {"fenv: default rounding", rounds_to_nearest},
    {"fenv: flags of operations", flags_by_operations},
    {"fenv: flags by hand", flags_by_hand},
    {"fenv: environments", environments},
    {"fenv: one for each thread", one_for_each_thread},
    {"printf of doubles", prints_doubles},
    {"printf of long doubles", prints_long_doubles},
    {"strtold", reads_long_doubles},
    {"math", computes},
    {NULL, NULL},
};

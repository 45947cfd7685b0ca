// SPDX-License-Identifier: BSD-2-Clause
//
// setjmp and longjmp: values, depth, and the registers that a call preserves. No test names a
// register: a function with more live values than there are such registers must find them all
// again when what it called came back by longjmp() from a function that filled them all.

#include <limits.h>
#include <setjmp.h>

#include "tests/guest/guest.h"

static jmp_buf env;

// The value that setjmp() gives when longjmp() passes `value`.
static __noinline int arrives(int value)
{
    volatile int passes = 0;
    int got = setjmp(env);
    if (passes++ == 0)
        longjmp(env, value);
    return passes == 2 ? got : -12345;
}

static bool values(void)
{
    CHECK(arrives(5) == 5);
    CHECK(arrives(0) == 1);
    CHECK(arrives(1) == 1);
    CHECK(arrives(-1) == -1);
    CHECK(arrives(INT_MIN) == INT_MIN);
    CHECK(arrives(INT_MAX) == INT_MAX);
    return true;
}

static volatile bool may_return = false;

// Fills `depth` frames, then leaves them all at once.
static __noinline int descend(int depth)
{
    volatile int frame[16];
    frame[depth % 16] = depth;
    if (depth == 0 && !may_return)
        longjmp(env, 7);
    return depth == 0 ? 0 : descend(depth - 1) + frame[depth % 16];
}

static bool from_below(void)
{
    for (volatile int round = 0; round < 50; round++) {
        volatile int before = round * 3;
        int got = setjmp(env);
        if (got == 0)
            descend(round);
        CHECK(got == 7 && before == round * 3);
    }
    return true;
}

static bool again_and_again(void)
{
    volatile int count = 0;
    int got = setjmp(env);
    CHECK(got == count);
    if (count < 100) {
        count++;
        longjmp(env, count);
    }
    return true;
}

// An inner handler passes on to an outer one, as nested parsers do.
static bool nested(void)
{
    jmp_buf outer, inner;
    volatile int step = 0;
    int got = setjmp(outer);
    if (got == 0) {
        if (setjmp(inner) == 0) {
            step = 1;
            longjmp(inner, 2);
        }
        step++;
        longjmp(outer, 3);
    }
    CHECK(got == 3 && step == 2);
    return true;
}

// More values than any machine has preserved registers. Each is made from a volatile one, and used
// with it again after the call, so that nothing can be computed early and kept instead; in a loop,
// so that a register is better than a place on the stack.
#define LONGS(use)                                                                            \
    use(a, 1) use(b, 2) use(c, 3) use(d, 4) use(e, 5) use(f, 6) use(g, 7) use(h, 8) use(i, 9) \
        use(j, 10) use(k, 11) use(l, 12) use(m, 13) use(n, 14)
#define DOUBLES(use)                                                                          \
    use(a, 1) use(b, 2) use(c, 3) use(d, 4) use(e, 5) use(f, 6) use(g, 7) use(h, 8) use(i, 9) \
        use(j, 10) use(k, 11)

static volatile long seed = 3, long_sink;
static volatile double fraction = 0.5, double_sink;

// Behind a pointer: the compiler must think that it uses every register a call may.
static void nothing(void) {}
static void (*volatile work)(void) = nothing;

#define OTHER_LONG(name, i) long name = seed * 101 * i;
#define USE_LONG(name, i) long_sink = name + seed;
#define OTHER_DOUBLE(name, i) double name = fraction * 101 * i;
#define USE_DOUBLE(name, i) double_sink = name + fraction;

// These two fill the preserved registers with other values, and never restore them.
static __noinline void spoil_integers(void)
{
    LONGS(OTHER_LONG)
    for (int turn = 0; turn < 3; turn++) {
        work();
        LONGS(USE_LONG)
    }
    longjmp(env, 1);
}

static __noinline void spoil_doubles(void)
{
    DOUBLES(OTHER_DOUBLE)
    for (int turn = 0; turn < 3; turn++) {
        work();
        DOUBLES(USE_DOUBLE)
    }
    longjmp(env, 1);
}

static __noinline void come_back_from(void (*spoil)(void))
{
    if (setjmp(env) == 0)
        spoil();
}

#define LONG(name, i) long name = seed + i;
#define SAME_LONG(name, i) &&name == seed + i
#define DOUBLE(name, i) double name = fraction + i;
#define SAME_DOUBLE(name, i) &&name == fraction + i

static bool integer_registers(void)
{
    LONGS(LONG)
    for (int round = 0; round < 10; round++) {
        come_back_from(spoil_integers);
        CHECK(true LONGS(SAME_LONG));
    }
    return true;
}

static bool fp_registers(void)
{
    DOUBLES(DOUBLE)
    for (int round = 0; round < 10; round++) {
        come_back_from(spoil_doubles);
        CHECK(true DOUBLES(SAME_DOUBLE));
    }
    return true;
}

const struct guest_test libc_jump_tests[] = {
    {"setjmp: values", values},
    {"setjmp: from nested calls", from_below},
    {"setjmp: one buffer, many jumps", again_and_again},
    {"setjmp: one handler in another", nested},
    {"setjmp: integer registers", integer_registers},
    {"setjmp: floating-point registers", fp_registers},
    {NULL, NULL},
};

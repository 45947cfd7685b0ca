// SPDX-License-Identifier: BSD-2-Clause
//
// Undefined behaviour of C, each in a line of its own, that a UBSan build must report and survive;
// tests/guest/run.py knows the lines. What is undefined stays so in other builds: nothing runs this
// there.

#include <limits.h>
#include <string.h>

#include "tests/guest/guest.h"

static volatile int one = 1, minus_one = -1, forty = 40, five = 5, int_max = INT_MAX,
                    int_min = INT_MIN;
static volatile unsigned char three = 3;
static char *volatile top = (char *)-8;
static volatile long result;

static void shift(void) { result = one << forty; }
static void shift_sign(void) { result = five << minus_one; }
static void add(void) { result = int_max + one; }
static void subtract(void) { result = int_min - one; }
static void multiply(void) { result = int_max * five; }
static void divide(void) { result = int_min / minus_one; }
static void negate(void) { result = -int_min; }

static void bounds(void)
{
    static int four[4], unused[4];
    result = four[five] + unused[0];
}

static void boolean(void)
{
    bool value;
    unsigned char byte = three;
    memcpy(&value, &byte, 1);
    __asm__ volatile("" : : "r"(&value) : "memory");
    result = value;
}

static void wrap(void) { result = (long)(top + forty); }

void guest_undefined(void)
{
    static void (*const cases[])(void) = {shift,  shift_sign, add,    subtract, multiply,
                                          divide, negate,     bounds, boolean,  wrap};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        cases[i]();
}

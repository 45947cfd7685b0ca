// SPDX-License-Identifier: BSD-2-Clause
//
// Division of 128-bit long doubles (IEEE 754-2008 binary128) on MIPS, in place of libgcc's: that is
// the one function of it that newlib needs and that uses $gp, our per-CPU base. Application code:
// n64 passes such numbers in FP registers. Rounding mode and exception flags are those of FCSR
// (MIPS64 Architecture volume I, 5.6).

typedef unsigned __int128 u128;
typedef _Bool bool;

#define FRACTION_BITS 112
#define EXPONENT_MAX 0x7fff
#define BIAS 0x3fff
#define IMPLICIT ((u128)1 << FRACTION_BITS)
#define INFINITE ((u128)EXPONENT_MAX << FRACTION_BITS)
// Before IEEE 754-2008 the architecture marked signalling NaNs with this bit, where others mark the
// quiet ones (volume I, 5.3.2; FCSR.NAN2008 is 0 on all of our CPUs).
#define SIGNALLING (IMPLICIT >> 1)
#define QUIET_NAN (INFINITE | (SIGNALLING - 1))

enum { INEXACT = 4, UNDERFLOW = 8, OVERFLOW = 16, BY_ZERO = 32, INVALID = 64 };
enum { TO_NEAREST, TO_ZERO, UP, DOWN };

// value = fraction * 2^(exponent - FRACTION_BITS), fraction in [IMPLICIT, 2 * IMPLICIT)
struct number {
    int exponent;
    u128 fraction;
};

long double __divtf3(long double a, long double b);

static unsigned read_fcsr(void)
{
    unsigned value;
    __asm__ volatile("cfc1 %0, $31" : "=r"(value));
    return value;
}

static void raise(unsigned flags)
{
    if (flags)
        __asm__ volatile("ctc1 %0, $31" : : "r"(read_fcsr() | flags));
}

static struct number unpack(u128 bits)
{
    struct number n = {(int)(bits >> FRACTION_BITS) - BIAS, bits & (IMPLICIT - 1)};
    if (n.exponent > -BIAS) {
        n.fraction |= IMPLICIT;
        return n;
    }
    n.exponent++;
    while (n.fraction < IMPLICIT) {
        n.fraction <<= 1;
        n.exponent--;
    }
    return n;
}

// The fraction has two more bits: the next one, and whether anything follows it. What does not fit
// the smallest exponent goes there too.
static u128 round_and_pack(bool negative, int exponent, u128 fraction)
{
    unsigned flags = 0, mode = read_fcsr() & 3;
    bool tiny = exponent <= -BIAS;
    for (; exponent <= -BIAS && fraction > 1; exponent++)
        fraction = fraction >> 1 | (fraction & 1);
    if (tiny)
        exponent = -BIAS + 1;
    unsigned rest = fraction & 3;
    fraction >>= 2;
    if (mode == TO_NEAREST ? rest + (fraction & 1) > 2 : mode == (negative ? DOWN : UP) && rest)
        fraction++;
    if (rest)
        flags = tiny ? INEXACT | UNDERFLOW : INEXACT;
    // The implicit bit, and a carry out of the fraction, add one to the exponent field.
    u128 bits = ((u128)(unsigned)(exponent + BIAS - 1) << FRACTION_BITS) + fraction;
    if (bits >= INFINITE) {
        flags = INEXACT | OVERFLOW;
        bits = mode == TO_NEAREST || mode == (negative ? DOWN : UP) ? INFINITE : INFINITE - 1;
    }
    raise(flags);
    return bits;
}

static u128 divide(bool negative, struct number a, struct number b)
{
    int exponent = a.exponent - b.exponent;
    u128 rest = a.fraction, quotient = 0;
    if (rest < b.fraction) {
        rest <<= 1;
        exponent--;
    }
    for (int i = 0; i <= FRACTION_BITS + 1; i++) {
        bool fits = rest >= b.fraction;
        quotient = quotient << 1 | fits;
        rest = (rest - (fits ? b.fraction : 0)) << 1;
    }
    return round_and_pack(negative, exponent, quotient << 1 | (rest != 0));
}

static bool signals(u128 bits) { return bits > INFINITE && (bits & SIGNALLING); }

// Magnitudes of which one at least is zero, infinite or no number.
static u128 special(u128 a, u128 b)
{
    if (signals(a) || signals(b) || (a == b && a <= INFINITE)) { // 0/0, infinite/infinite
        raise(INVALID);
        return QUIET_NAN;
    }
    if (a > INFINITE || b > INFINITE)
        return a > INFINITE ? a : b;
    if (b == 0 && a != INFINITE)
        raise(BY_ZERO);
    return b == 0 || a == INFINITE ? INFINITE : 0;
}

long double __divtf3(long double a, long double b)
{
    union {
        long double value;
        u128 bits;
    } x = {a}, y = {b}, result;
    u128 sign = (x.bits ^ y.bits) & (u128)1 << 127;
    u128 p = x.bits << 1 >> 1, q = y.bits << 1 >> 1;
    if (!p || !q || p >= INFINITE || q >= INFINITE)
        result.bits = sign | special(p, q);
    else
        result.bits = sign | divide(sign != 0, unpack(p), unpack(q));
    return result.value;
}

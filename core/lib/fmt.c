// SPDX-License-Identifier: BSD-2-Clause
//
// Formatting and number parsing for the kernel (contract in fmt.h; the conversions follow C11
// 7.21.6.1 as far as they are supported). Output goes through one bounded sink, so truncation is
// decided in a single place.

#include "core/lib/fmt.h"

#include <limits.h>
#include <string.h>

struct sink {
    char *buf;
    size_t size; // of buf, terminator included
    size_t len;  // wanted so far, whether it fitted or not
};

// One parsed conversion. precision is -1 when absent.
struct spec {
    bool left, plus, space, zero, alternate, upper;
    int width, precision;
    unsigned bytes; // of the integer argument
};

#define DIGITS_MAX 24 // 64 bits in base 8 need 22

// Counts every character, stores those that leave room for the terminator.
static void put(struct sink *out, char c)
{
    if (out->len + 1 < out->size)
        out->buf[out->len] = c;
    out->len++;
}

static void put_repeated(struct sink *out, char c, int count)
{
    while (count-- > 0)
        put(out, c);
}

// Text padded with blanks to the width. Zero padding is for numbers only.
static void put_text(struct sink *out, const char *text, size_t len, const struct spec *spec)
{
    int pad = spec->width > (int)len ? spec->width - (int)len : 0;
    if (!spec->left)
        put_repeated(out, ' ', pad);
    for (size_t i = 0; i < len; i++)
        put(out, text[i]);
    if (spec->left)
        put_repeated(out, ' ', pad);
}

static void put_string(struct sink *out, const char *text, const struct spec *spec)
{
    if (!text)
        text = "(null)";
    // The precision bounds what is read, so it also serves for text without a terminator.
    size_t limit = spec->precision >= 0 ? (size_t)spec->precision : INT_MAX;
    put_text(out, text, strnlen(text, limit), spec);
}

// Writes the digits of value backwards from `end`; returns where they start.
static char *digits(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *alphabet = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    // Division by a constant is a multiply; a 64-bit division is slow on small cores.
    if (base == 16) {
        for (; value; value >>= 4)
            *--end = alphabet[value & 15];
    } else {
        for (; value; value /= 10)
            *--end = (char)('0' + value % 10);
    }
    return end;
}

// The integer conversions: sign or prefix, zeros, digits, each as C asks.
static void put_number(struct sink *out, uint64_t value, const char *prefix, unsigned base,
                       const struct spec *spec)
{
    char text[DIGITS_MAX];
    char *end = text + sizeof(text);
    char *start = digits(end, value, base, spec->upper);
    int count = (int)(end - start);
    // Without a precision at least one digit is shown; "%.0d" of 0 shows none.
    int wanted = spec->precision >= 0 ? spec->precision : 1;
    int zeros = wanted > count ? wanted - count : 0;
    int total = (int)strlen(prefix) + zeros + count;
    // '-' and a precision override '0' (C11 7.21.6.1 paragraph 6).
    if (spec->zero && !spec->left && spec->precision < 0 && spec->width > total) {
        zeros += spec->width - total;
        total = spec->width;
    }
    if (!spec->left)
        put_repeated(out, ' ', spec->width - total);
    while (*prefix)
        put(out, *prefix++);
    put_repeated(out, '0', zeros);
    while (start < end)
        put(out, *start++);
    if (spec->left)
        put_repeated(out, ' ', spec->width - total);
}

static void put_signed(struct sink *out, int64_t value, const struct spec *spec)
{
    const char *prefix = value < 0 ? "-" : spec->plus ? "+" : spec->space ? " " : "";
    // Negating the unsigned value is defined for INT64_MIN too.
    put_number(out, value < 0 ? -(uint64_t)value : (uint64_t)value, prefix, 10, spec);
}

// '#' puts no prefix before a zero.
static void put_hex(struct sink *out, uint64_t value, const struct spec *spec)
{
    const char *prefix = !spec->alternate || !value ? "" : spec->upper ? "0X" : "0x";
    put_number(out, value, prefix, 16, spec);
}

// The addresses are composed first, so that width and '-' apply to the whole.
static void put_ipv4(struct sink *out, const void *address, const struct spec *spec)
{
    uint8_t part[4];
    memcpy(part, address, sizeof(part));
    char text[16];
    int len = fmt_snprint(text, sizeof(text), "%u.%u.%u.%u", part[0], part[1], part[2], part[3]);
    put_text(out, text, (size_t)len, spec);
}

static void put_mac(struct sink *out, const void *address, const struct spec *spec)
{
    const uint8_t *part = address;
    char text[18];
    int len = fmt_snprint(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", part[0], part[1],
                          part[2], part[3], part[4], part[5]);
    put_text(out, text, (size_t)len, spec);
}

// %p with the kernel's letters after it; returns the last character consumed.
static const char *put_pointer(struct sink *out, const char *fmt, const void *ptr,
                               struct spec *spec)
{
    bool ipv4 = fmt[1] == 'I' && fmt[2] == '4';
    bool mac = fmt[1] == 'M';
    if ((ipv4 || mac) && !ptr)
        put_string(out, NULL, spec);
    else if (ipv4)
        put_ipv4(out, ptr, spec);
    else if (mac)
        put_mac(out, ptr, spec);
    else
        put_number(out, (uintptr_t)ptr, "0x", 16, spec);
    return fmt + (ipv4 ? 2 : mac ? 1 : 0);
}

static const char *parse_flags(const char *fmt, struct spec *spec)
{
    for (; *fmt && strchr("-+ 0#", *fmt); fmt++) {
        spec->left |= *fmt == '-';
        spec->plus |= *fmt == '+';
        spec->space |= *fmt == ' ';
        spec->zero |= *fmt == '0';
        spec->alternate |= *fmt == '#';
    }
    return fmt;
}

// A width or precision out of the format itself, capped so that arithmetic on it cannot overflow.
static const char *parse_count(const char *fmt, int *count)
{
    for (*count = 0; *fmt >= '0' && *fmt <= '9'; fmt++)
        *count = MIN(*count * 10 + (*fmt - '0'), 4096);
    return fmt;
}

// int is 4 bytes, every longer type of the supported letters 8, on all machines.
static const char *parse_length(const char *fmt, struct spec *spec)
{
    spec->bytes = sizeof(int);
    if (fmt[0] == 'h')
        spec->bytes = fmt[1] == 'h' ? sizeof(char) : sizeof(short);
    else if (fmt[0] == 'l' || fmt[0] == 'z' || fmt[0] == 't' || fmt[0] == 'j')
        spec->bytes = sizeof(uint64_t);
    while (*fmt == 'h' || *fmt == 'l' || *fmt == 'z' || *fmt == 't' || *fmt == 'j')
        fmt++;
    return fmt;
}

// va_list is an array type on some machines: passing it on by pointer needs this wrapper.
struct arguments {
    va_list list;
};

static int next_count(struct arguments *args)
{
    int count = va_arg(args->list, int);
    return MAX(MIN(count, 4096), -4096);
}

// Everything between '%' and the conversion's letter, in C's order: flags, width, precision,
// length.
static const char *parse_spec(const char *fmt, struct spec *spec, struct arguments *args)
{
    *spec = (struct spec){.precision = -1};
    fmt = parse_flags(fmt, spec);
    if (*fmt == '*') {
        spec->width = next_count(args);
        fmt++;
    } else {
        fmt = parse_count(fmt, &spec->width);
    }
    if (spec->width < 0) { // only from '*': C says it means '-'
        spec->left = true;
        spec->width = -spec->width;
    }
    if (*fmt == '.') {
        fmt++;
        if (*fmt == '*') {
            spec->precision = next_count(args); // negative: as if absent
            fmt++;
        } else {
            fmt = parse_count(fmt, &spec->precision);
        }
    }
    return parse_length(fmt, spec);
}

// Narrow types arrive as int (C's promotions) and are cut back here.
static uint64_t next_unsigned(struct arguments *args, unsigned bytes)
{
    if (bytes == sizeof(uint64_t))
        return va_arg(args->list, uint64_t);
    unsigned value = va_arg(args->list, unsigned);
    return bytes == sizeof(int) ? value : value & ((1u << (8 * bytes)) - 1);
}

static int64_t next_signed(struct arguments *args, unsigned bytes)
{
    if (bytes == sizeof(int64_t))
        return va_arg(args->list, int64_t);
    int value = va_arg(args->list, int);
    return bytes == sizeof(int)     ? value
           : bytes == sizeof(short) ? (short)value
                                    : (signed char)value;
}

// One conversion; fmt is behind the '%'. Returns the first character after it.
static const char *convert(struct sink *out, const char *fmt, struct arguments *args)
{
    struct spec spec;
    fmt = parse_spec(fmt, &spec, args);
    switch (*fmt) {
    case 'd':
    case 'i':
        put_signed(out, next_signed(args, spec.bytes), &spec);
        break;
    case 'u':
        put_number(out, next_unsigned(args, spec.bytes), "", 10, &spec);
        break;
    case 'X':
        spec.upper = true; // fall through
    case 'x':
        put_hex(out, next_unsigned(args, spec.bytes), &spec);
        break;
    case 'c':
        put_text(out, &(char){(char)va_arg(args->list, int)}, 1, &spec);
        break;
    case 's':
        put_string(out, va_arg(args->list, const char *), &spec);
        break;
    case 'p':
        fmt = put_pointer(out, fmt, va_arg(args->list, void *), &spec);
        break;
    case '%':
        put(out, '%');
        break;
    case '\0':
        return fmt;
    default: // unknown: shown as it stands; the compiler's format check makes this unreachable
        put(out, '%');
        put(out, *fmt);
    }
    return fmt + 1;
}

int fmt_vsnprint(char *buf, size_t size, const char *fmt, va_list list)
{
    struct sink out = {buf, size, 0};
    struct arguments args;
    va_copy(args.list, list);
    while (*fmt) {
        if (*fmt != '%')
            put(&out, *fmt++);
        else
            fmt = convert(&out, fmt + 1, &args);
    }
    va_end(args.list);
    if (size)
        buf[MIN(out.len, size - 1)] = '\0';
    return (int)MIN(out.len, (size_t)INT_MAX);
}

int fmt_snprint(char *buf, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = fmt_vsnprint(buf, size, fmt, args);
    va_end(args);
    return len;
}

// INT_MAX for no digit: it is above every base.
static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return INT_MAX;
}

int parse_u64(const char *text, size_t len, uint64_t *value)
{
    len = strnlen(text, len);
    unsigned base = 10;
    if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
        len -= 2;
    }
    if (len == 0)
        return -EINVAL;
    uint64_t sum = 0;
    bool overflow = false;
    for (size_t i = 0; i < len; i++) {
        int digit = digit_value(text[i]);
        if (digit >= (int)base)
            return -EINVAL; // a wrong character wins over a number too large
        overflow |= __builtin_mul_overflow(sum, (uint64_t)base, &sum);
        overflow |= __builtin_add_overflow(sum, (uint64_t)digit, &sum);
    }
    if (overflow)
        return -ERANGE;
    *value = sum;
    return 0;
}

// The binary meaning, as for `mem=` elsewhere: K is 1024.
static unsigned suffix_shift(char c)
{
    switch (c) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

int parse_bytes(const char *text, uint64_t *value)
{
    size_t len = strlen(text);
    unsigned shift = len ? suffix_shift(text[len - 1]) : 0;
    uint64_t number;
    int err = parse_u64(text, shift ? len - 1 : len, &number);
    if (err)
        return err;
    if (number > UINT64_MAX >> shift)
        return -ERANGE;
    *value = number << shift;
    return 0;
}

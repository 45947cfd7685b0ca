// SPDX-License-Identifier: BSD-2-Clause
//
// Undefined behaviour of C that the compilers' checks found (DEBUG=ubsan): one line for each place
// in the code, "ubsan: FILE:LINE:COLUMN: what, with which values", counted; with `ubsan=panic` the
// first one is the last. The names and structures are those of GCC's and clang's sanitizer
// (-fsanitize=undefined).

#include "core/debug/log.h"
#include "core/debug/panic.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"

#include <stdatomic.h>
#include <string.h>

struct place {
    const char *file;
    uint32_t line;
    _Atomic uint32_t column; // REPORTED once a line was printed for it
};
#define REPORTED UINT32_MAX

struct type {
    uint16_t kind, info; // of an integer: info is 2 * log2(bits) + signed
    char name[];         // in quotes
};
enum { TYPE_INTEGER = 0 };

typedef uintptr_t value_t; // the value itself, or the address of a larger one

static bool stop;
static _Atomic unsigned found;

static int set_mode(const char *value)
{
    stop = strcmp(value, "panic") == 0;
    return stop || strcmp(value, "log") == 0 ? 0 : -EINVAL;
}
BOOT_PARAM(ubsan_param, "ubsan", set_mode);

// ---- Text ------------------------------------------------------------------------------------

static unsigned bits_of(const struct type *type) { return 1u << (type->info >> 1); }
static bool is_signed(const struct type *type) { return type->info & 1; }

// The value as text in `buf`, which it returns.
static const char *show(char buf[static 24], const struct type *type, value_t value)
{
    unsigned bits = bits_of(type);
    if (type->kind != TYPE_INTEGER || bits > 64)
        return "?";
    unsigned unused = 64 - bits;
    if (is_signed(type))
        fmt_snprint(buf, 24, "%lld", (long long)(value << unused) >> unused);
    else
        fmt_snprint(buf, 24, "%llu", (unsigned long long)(value << unused) >> unused);
    return buf;
}

static bool is_negative(const struct type *type, value_t value)
{
    return type->kind == TYPE_INTEGER && is_signed(type) && bits_of(type) <= 64 &&
           value >> (bits_of(type) - 1) & 1;
}

static __printf_like(2, 3)
void report(struct place *place, const char *fmt, ...)
{
    uint32_t column = atomic_exchange(&place->column, REPORTED);
    atomic_fetch_add(&found, 1);
    if (column == REPORTED)
        return;
    char text[120];
    va_list args;
    va_start(args, fmt);
    fmt_vsnprint(text, sizeof(text), fmt, args);
    va_end(args);
    const char *file = place->file ? place->file : "?";
    if (stop)
        panic("ubsan: %s:%u:%u: %s", file, place->line, column, text);
    log_err("ubsan: %s:%u:%u: %s", file, place->line, column, text);
}

// ---- Arithmetic ------------------------------------------------------------------------------

struct overflow {
    struct place place;
    const struct type *type;
};

static void report_overflow(struct overflow *data, value_t a, value_t b, const char *operator)
{
    char text_a[24], text_b[24];
    report(&data->place, "%s %s %s does not fit in %s", show(text_a, data->type, a), operator,
           show(text_b, data->type, b), data->type->name);
}

void __ubsan_handle_add_overflow(struct overflow *data, value_t a, value_t b);
void __ubsan_handle_add_overflow(struct overflow *data, value_t a, value_t b)
{
    report_overflow(data, a, b, "+");
}

void __ubsan_handle_sub_overflow(struct overflow *data, value_t a, value_t b);
void __ubsan_handle_sub_overflow(struct overflow *data, value_t a, value_t b)
{
    report_overflow(data, a, b, "-");
}

void __ubsan_handle_mul_overflow(struct overflow *data, value_t a, value_t b);
void __ubsan_handle_mul_overflow(struct overflow *data, value_t a, value_t b)
{
    report_overflow(data, a, b, "*");
}

void __ubsan_handle_divrem_overflow(struct overflow *data, value_t a, value_t b);
void __ubsan_handle_divrem_overflow(struct overflow *data, value_t a, value_t b)
{
    report_overflow(data, a, b, "/");
}

void __ubsan_handle_negate_overflow(struct overflow *data, value_t a);
void __ubsan_handle_negate_overflow(struct overflow *data, value_t a)
{
    char text[24];
    report(&data->place, "-(%s) does not fit in %s", show(text, data->type, a), data->type->name);
}

struct shift {
    struct place place;
    const struct type *left, *right;
};

void __ubsan_handle_shift_out_of_bounds(struct shift *data, value_t left, value_t right);
void __ubsan_handle_shift_out_of_bounds(struct shift *data, value_t left, value_t right)
{
    char text_left[24], text_right[24];
    const char *by = show(text_right, data->right, right);
    if (is_negative(data->right, right) || right >= bits_of(data->left))
        report(&data->place, "shift by %s of %s", by, data->left->name);
    else
        report(&data->place, "left shift of %s by %s does not fit in %s",
               show(text_left, data->left, left), by, data->left->name);
}

// ---- Pointers --------------------------------------------------------------------------------

struct bounds {
    struct place place;
    const struct type *array, *index;
};

void __ubsan_handle_out_of_bounds(struct bounds *data, value_t index);
void __ubsan_handle_out_of_bounds(struct bounds *data, value_t index)
{
    char text[24];
    report(&data->place, "index %s is not in the array %s", show(text, data->index, index),
           data->array->name);
}

struct mismatch {
    struct place place;
    const struct type *type;
    uint8_t log_alignment, access;
};

void __ubsan_handle_type_mismatch_v1(struct mismatch *data, uintptr_t pointer);
void __ubsan_handle_type_mismatch_v1(struct mismatch *data, uintptr_t pointer)
{
    static const char *const accesses[] = {"load of",    "store to", "reference to",
                                           "member of",  "call of",  "constructor call on",
                                           "downcast of"};
    const char *what = data->access < ARRAY_SIZE(accesses) ? accesses[data->access] : "use of";
    if (!pointer)
        report(&data->place, "%s null pointer of type %s", what, data->type->name);
    else
        report(&data->place, "%s %p, where there is no %s", what, (void *)pointer,
               data->type->name);
}

void __ubsan_handle_pointer_overflow(struct place *place, uintptr_t base, uintptr_t result);
void __ubsan_handle_pointer_overflow(struct place *place, uintptr_t base, uintptr_t result)
{
    report(place, "pointer %p becomes %p: it wraps, or starts from null", (void *)base,
           (void *)result);
}

// ---- The rest --------------------------------------------------------------------------------

struct invalid {
    struct place place;
    const struct type *type;
};

void __ubsan_handle_load_invalid_value(struct invalid *data, value_t value);
void __ubsan_handle_load_invalid_value(struct invalid *data, value_t value)
{
    char text[24];
    report(&data->place, "%s is no value of %s", show(text, data->type, value), data->type->name);
}

void __ubsan_handle_vla_bound_not_positive(struct invalid *data, value_t bound);
void __ubsan_handle_vla_bound_not_positive(struct invalid *data, value_t bound)
{
    char text[24];
    report(&data->place, "array of %s elements", show(text, data->type, bound));
}

// As clang describes it; GCC does not check by default.
struct float_cast {
    struct place place;
    const struct type *from, *to;
};

void __ubsan_handle_float_cast_overflow(struct float_cast *data, value_t from);
void __ubsan_handle_float_cast_overflow(struct float_cast *data, value_t from)
{
    (void)from;
    report(&data->place, "a value of %s does not fit in %s", data->from->name, data->to->name);
}

void __ubsan_handle_nonnull_arg(struct place *place);
void __ubsan_handle_nonnull_arg(struct place *place)
{
    report(place, "null for an argument that must not be");
}

// `data` names the function's attribute.
void __ubsan_handle_nonnull_return_v1(void *data, struct place *place);
void __ubsan_handle_nonnull_return_v1(void *data, struct place *place)
{
    (void)data;
    report(place, "null from a function that must not return it");
}

// clang's, for __builtin_clz(0) and its like.
void __ubsan_handle_invalid_builtin(struct place *place);
void __ubsan_handle_invalid_builtin(struct place *place)
{
    report(place, "bit count of 0, which has no answer");
}

_Noreturn void __ubsan_handle_builtin_unreachable(struct place *place);
_Noreturn void __ubsan_handle_builtin_unreachable(struct place *place)
{
    panic("ubsan: %s:%u: reached what cannot be", place->file, place->line);
}

_Noreturn void __ubsan_handle_missing_return(struct place *place);
_Noreturn void __ubsan_handle_missing_return(struct place *place)
{
    panic("ubsan: %s:%u: end of a function without its value", place->file, place->line);
}

// SPDX-License-Identifier: BSD-2-Clause
//
// Writing a flattened device tree with libfdt's sequential functions (fdt_sw.c), for the tests that
// read one. `blob` is being written, or finished; the test gives it room and opens the tree. After
// cmocka.h.

#pragma once

#include <libfdt.h>
#include <stddef.h>
#include <stdint.h>

static char *blob;

static inline void words(const char *name, size_t count, const uint32_t *values)
{
    uint32_t be[32];
    for (size_t i = 0; i < count; i++)
        be[i] = cpu_to_fdt32(values[i]);
    assert_int_equal(fdt_property(blob, name, be, (int)(count * 4)), 0);
}
#define WORDS(name, ...) \
    words(name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static inline void flag(const char *name) { assert_int_equal(fdt_property(blob, name, "", 0), 0); }
static inline void text(const char *name, const char *value)
{
    assert_int_equal(fdt_property_string(blob, name, value), 0);
}
static inline void list(const char *name, const char *value, size_t len)
{
    assert_int_equal(fdt_property(blob, name, value, (int)len), 0);
}
static inline void begin(const char *name) { assert_int_equal(fdt_begin_node(blob, name), 0); }
static inline void end(void) { assert_int_equal(fdt_end_node(blob), 0); }

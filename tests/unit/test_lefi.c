// SPDX-License-Identifier: BSD-2-Clause
//
// LEFI tables of the Loongson-3 machine into a device tree: the layout that QEMU 10 hands over,
// every field of it damaged, tables that lie, and random damage. What firmware has stands in heap
// blocks of its own, so ASan sees any read outside; the result is read back through core/lib/dt.
//
// unit-sources: platform/loongson/loongson3/lefi.c core/lib/dt.c core/lib/fmt.c
// unit-sources: tests/unit/fake_lefi.c tests/fuzz/lefi_fuzz.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_ro.c
// unit-sources: out/deps/libfdt/libfdt/fdt_rw.c out/deps/libfdt/libfdt/fdt_wip.c
// unit-sources: out/deps/libfdt/libfdt/fdt_sw.c out/deps/libfdt/libfdt/fdt_empty_tree.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/debug/log.h"
#include "core/lib/dt.h"
#include "fake_lefi.h"

// ---- What was said ---------------------------------------------------------------------------

static char said[4096];

void log_write(enum log_level level, const char *fmt, ...)
{
    (void)level;
    size_t used = strlen(said);
    va_list args;
    va_start(args, fmt);
    vsnprintf(said + used, sizeof(said) - used, fmt, args);
    va_end(args);
}

#define assert_said(text) assert_non_null(strstr(said, text))

// ---- Helpers ---------------------------------------------------------------------------------

static int setup(void **state)
{
    (void)state;
    fake_lefi_reset();
    return 0;
}

static int patch(void)
{
    said[0] = '\0';
    return fake_lefi_patch();
}

// The patched tree must be sound whatever the tables say.
static void read_tree(void)
{
    const char *reason = NULL;
    assert_int_equal(patch(), 0);
    assert_int_equal(dt_init(fake_lefi_tree, fake_lefi_tree_bytes, &reason), 0);
}

static void memory_is(unsigned count, const uint64_t (*ranges)[2])
{
    unsigned seen = 0;
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node)) {
        const char *type = dt_string(node, "device_type");
        if (!type || strcmp(type, "memory") != 0)
            continue;
        paddr_t base;
        uint64_t len;
        assert_true(seen < count);
        assert_int_equal(dt_reg(node, 0, &base, &len), 0);
        assert_int_equal(base, ranges[seen][0]);
        assert_int_equal(len, ranges[seen][1]);
        seen++;
    }
    assert_int_equal(seen, count);
}
#define MEMORY_IS(...)                                                    \
    memory_is(sizeof((uint64_t[][2]){__VA_ARGS__}) / sizeof(uint64_t[2]), \
              (const uint64_t[][2]){__VA_ARGS__})

static unsigned cpu_nodes(void)
{
    unsigned count = 0;
    const struct dt_node *cpu = dt_first_child(dt_by_path("/cpus"));
    for (; cpu; cpu = dt_next_sibling(cpu))
        count++;
    return count;
}

static const char *bootargs(void) { return dt_string(dt_by_path("/chosen"), "bootargs"); }

static bool initrd(uint64_t *start, uint64_t *end)
{
    const struct dt_node *chosen = dt_by_path("/chosen");
    return dt_u64(chosen, "linux,initrd-start", start) == 0 &&
           dt_u64(chosen, "linux,initrd-end", end) == 0;
}

static bool has_initrd(void)
{
    uint64_t start, end;
    return initrd(&start, &end);
}

// ---- The sound layout ------------------------------------------------------------------------

static void test_golden(void **state)
{
    (void)state;
    fake_lefi_argument("hello world");
    read_tree();
    assert_string_equal(said, "");
    MEMORY_IS({0, MIB(240)}, {0x90000000, MIB(256)});
    assert_string_equal(bootargs(), "hello world");
    assert_false(has_initrd());
    assert_int_equal(cpu_nodes(), 1);
    const struct dt_node *cpu = dt_by_path("/cpus/cpu@0");
    uint32_t value;
    assert_int_equal(dt_u32(cpu, "clock-frequency", &value), 0);
    assert_int_equal(value, 800000000);
    assert_int_equal(dt_u32(cpu, "reg", &value), 0);
    assert_int_equal(value, 0);
    assert_string_equal(dt_string(cpu, "device_type"), "cpu");
    paddr_t base;
    uint64_t len;
    assert_int_equal(dt_reservation(0, &base, &len), 0);
    assert_int_equal(base, 0);
    assert_int_equal(len, KIB(16));
}

static void test_large(void **state)
{
    (void)state;
    fake_lefi_put(FAKE_LEFI_MAP + FAKE_LEFI_STRIDE + 16, 4, 5888); // -m 6G
    fake_lefi_put(FAKE_LEFI_CPU + 22, 4, 4);
    read_tree();
    assert_string_equal(said, "");
    MEMORY_IS({0, MIB(240)}, {0x90000000, 5888ULL << 20});
    assert_int_equal(cpu_nodes(), 4);
    assert_non_null(dt_by_path("/cpus/cpu@3"));
    assert_int_equal(fdt_boot_cpuid_phys(fake_lefi_tree), 0);
}

static void test_cores(void **state)
{
    (void)state;
    fake_lefi_put(FAKE_LEFI_CPU + 22, 4, 16);
    fake_lefi_put(FAKE_LEFI_CPU + 14, 2, 2);   // start-up core
    fake_lefi_put(FAKE_LEFI_CPU + 16, 2, 0x2); // core 1 is not ours
    read_tree();
    assert_int_equal(cpu_nodes(), 3);
    assert_null(dt_by_path("/cpus/cpu@1"));
    assert_int_equal(fdt_boot_cpuid_phys(fake_lefi_tree), 2);
}

// ---- Command line ----------------------------------------------------------------------------

static void test_initrd(void **state)
{
    (void)state;
    uint64_t start, end;
    fake_lefi_argument("rd_start=0xffffffff84000000 rd_size=5 hello  world");
    read_tree();
    assert_string_equal(said, "");
    assert_string_equal(bootargs(), "hello  world");
    assert_true(initrd(&start, &end));
    assert_int_equal(start, 0x4000000);
    assert_int_equal(end, 0x4000005);
}

static void test_initrd_alone(void **state)
{
    (void)state;
    fake_lefi_argument("rd_start=0xffffffff84000000 rd_size=4096 ");
    read_tree();
    assert_string_equal(bootargs(), "");
    assert_true(has_initrd());
}

static void test_initrd_of_the_application(void **state)
{
    (void)state;
    fake_lefi_argument("mem=1G -- rd_start=0xffffffff84000000 rd_size=5");
    read_tree();
    assert_string_equal(bootargs(), "mem=1G -- rd_start=0xffffffff84000000 rd_size=5");
    assert_false(has_initrd());
}

static void test_initrd_first_counts(void **state)
{
    (void)state;
    uint64_t start, end;
    fake_lefi_argument("rd_start=0xffffffffa4000000 rd_size=0x10 rd_start=0x1 rd_size=9 x");
    read_tree();
    assert_string_equal(bootargs(), "x");
    assert_true(initrd(&start, &end));
    assert_int_equal(start, 0x4000000);
    assert_int_equal(end, 0x4000010);
}

static void test_bad_initrd(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "rd_start=0xffffffff84000000 rd_size=0 x",
        "rd_start=0xffffffff84000000 x",
        "rd_size=5 x",
        "rd_start= rd_size= x",
        "rd_start=0x84000000 rd_size=5 x",         // not a kernel address
        "rd_start=0x4000000 rd_size=5 x",          // nor this
        "rd_start=0xffffffffc4000000 rd_size=5 x", // mapped segment
        "rd_start=0xffffffff8fffffff rd_size=2 x", // over the end of low RAM
        "rd_start=0xffffffff84000000 rd_size=300000000 x",
        "rd_start=0xffffffff84000000 rd_size=18446744073709551615 x",
        "rd_start=0xffffffff84000000 rd_size=-5 x",
        "rd_start=0xffffffff84000000 rd_size=99999999999999999999999 x",
        "rd_start=0xffffffff9fc01000 rd_size=5 x", // ROM
        "rd_start=0xffffffff8400000g rd_size=5 x",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        fake_lefi_reset();
        fake_lefi_argument(lines[i]);
        read_tree();
        assert_string_equal(bootargs(), "x");
        assert_false(has_initrd());
        assert_true(i == 3 || strstr(said, "initrd at"));
    }
}

static void test_many_arguments(void **state)
{
    (void)state;
    fake_lefi_argument("first");
    fake_lefi_argument("");
    fake_lefi_argument("second");
    read_tree();
    assert_string_equal(bootargs(), "first  second");
}

static void test_cut_argument(void **state)
{
    (void)state;
    char text[238];
    memset(text, 'x', 237);
    text[237] = '\0';
    fake_lefi_argument(text);
    read_tree();
    assert_string_equal(bootargs(), text);
    assert_said("cut after 237");
}

static void test_bad_arguments(void **state)
{
    (void)state;
    static const int counts[] = {-1, 65, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        fake_lefi_reset();
        fake_lefi_argument("x");
        fake_lefi.argc = counts[i];
        read_tree();
        assert_string_equal(bootargs(), "");
        assert_said("command line");
        MEMORY_IS({0, MIB(240)}, {0x90000000, MIB(256)});
    }
    fake_lefi.argc = 0;
    read_tree();
    assert_string_equal(bootargs(), "");
    assert_string_equal(said, "");
}

static void test_bad_argument_addresses(void **state)
{
    (void)state;
    static const uint32_t addresses[] = {
        0, 0x8ff00000 + FAKE_LEFI_ARGS_BYTES, 0x4ff00000, UINT32_MAX, 0xc0000000, 0x7fffffff};
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        fake_lefi_reset();
        fake_lefi_argument("good");
        fake_lefi_argument("bad");
        fake_lefi_put_argv(2, addresses[i]);
        read_tree();
        assert_string_equal(bootargs(), "good ");
        assert_said("damaged at argument 2");
    }
    fake_lefi.argv = 0x1000;
    read_tree();
    assert_string_equal(bootargs(), "");
    assert_said("damaged at argument 1");
}

// An argument that never ends, in a memory full of x: the line is as long as it may be.
static void test_endless_argument(void **state)
{
    (void)state;
    fake_lefi_argument("x");
    fake_lefi_fill_args('x');
    read_tree();
    assert_int_equal(strlen(bootargs()), 2047);
    assert_said("damaged at argument 1");
}

// ---- Damage ----------------------------------------------------------------------------------

static void expect_no_memory(void)
{
    read_tree();
    memory_is(0, NULL);
    assert_said("memory map of the firmware is damaged");
    assert_string_equal(bootargs(), "args");
}

static void test_bad_memory_table(void **state)
{
    (void)state;
    static const struct {
        unsigned offset, bytes;
        uint64_t value;
    } damages[] = {
        {FAKE_LEFI_OFFSETS, 8, UINT64_MAX},
        {FAKE_LEFI_OFFSETS, 8, MIB(16) + 1},
        {FAKE_LEFI_OFFSETS, 8, 0x1000000},
        {FAKE_LEFI_OFFSETS, 8, FAKE_LEFI_ROM_BYTES - FAKE_LEFI_OFFSETS - 1},
        {FAKE_LEFI_OFFSETS, 8, FAKE_LEFI_ROM_BYTES - FAKE_LEFI_OFFSETS - 11},
        {FAKE_LEFI_MEMORY, 2, 2},     // version
        {FAKE_LEFI_MEMORY + 2, 4, 0}, // entries
        {FAKE_LEFI_MEMORY + 2, 4, 129},
        {FAKE_LEFI_MEMORY + 2, 4, UINT32_MAX},
        {FAKE_LEFI_MEMORY + 2, 4, 0x80000000},
    };
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        fake_lefi_reset();
        fake_lefi_argument("args");
        fake_lefi_put(damages[i].offset, damages[i].bytes, damages[i].value);
        expect_no_memory();
        assert_int_equal(cpu_nodes(), 1);
    }
}

static void test_bad_params_address(void **state)
{
    (void)state;
    static const uint64_t addresses[] = {0,
                                         0x1fc01000,
                                         UINT64_MAX,
                                         UINT64_MAX - 40,
                                         0xffffffff9fc01000 + FAKE_LEFI_ROM_BYTES - 45,
                                         0x9fc01000,
                                         0xffffffff90000000};
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        fake_lefi_reset();
        fake_lefi_argument("args");
        fake_lefi.params = addresses[i];
        expect_no_memory();
        assert_said("CPU table of the firmware is damaged");
        assert_int_equal(cpu_nodes(), 1);
    }
}

static void put_entry(unsigned index, uint32_t type, uint64_t start, uint32_t mib)
{
    unsigned at = FAKE_LEFI_MAP + index * FAKE_LEFI_STRIDE;
    fake_lefi_put(at + 4, 4, type);
    fake_lefi_put(at + 8, 8, start);
    fake_lefi_put(at + 16, 4, mib);
}

static void test_entries(void **state)
{
    (void)state;
    fake_lefi_put(FAKE_LEFI_MEMORY + 2, 4, 9);
    put_entry(0, 1, 0, 240);
    put_entry(1, 2, 0x80000000, 512);       // the alias in front of it
    put_entry(2, 2, 0x90000000, 16);        // twice
    put_entry(3, 3, 0xc0000000, 256);       // not RAM
    put_entry(4, 2, 0xb0000000, 0);         // empty
    put_entry(5, 2, 0xfffffffffff00000, 2); // wraps
    put_entry(6, 2, 1ULL << 44, 16);        // beyond the node
    put_entry(7, 2, 0x100000001, 2);        // not aligned
    put_entry(8, 1, 0x10000000, 16);        // registers
    read_tree();
    MEMORY_IS({0, MIB(240)}, {0x90000000, MIB(256)}, {0x100010000, MIB(2) - KIB(64)});
    assert_said("listed twice");
    assert_said("0xfffffffffff00000, 2 MiB: cannot be");
    assert_said("0x100000000000, 16 MiB: cannot be");
    assert_said("0x10000000, 16 MiB: only 0 can");
    assert_said("0x80000000, 512 MiB: only 256 can");
}

static void test_absurd_sizes(void **state)
{
    (void)state;
    put_entry(0, 1, 0, UINT32_MAX); // 4 PiB, over everything
    read_tree();
    MEMORY_IS({0x90000000, MIB(256)});
    assert_said("0x0, 4294967295 MiB: cannot be");
    put_entry(0, 1, 0, 240);
    put_entry(1, 2, 0x90000000, UINT32_MAX);
    read_tree();
    MEMORY_IS({0, MIB(240)});
    put_entry(1, 2, 0x90000000, 1048576 - 0x900); // up to the limit
    read_tree();
    MEMORY_IS({0, MIB(240)}, {0x90000000, (1ULL << 40) - 0x90000000});
    put_entry(1, 2, 0x90000000, 1048576 - 0x900 + 1);
    read_tree();
    MEMORY_IS({0, MIB(240)});
    put_entry(0, 1, 0, 0xa00); // over the hole and the alias
    put_entry(1, 2, 0xa0000000, 16);
    read_tree();
    MEMORY_IS({0, MIB(256)}, {0x90000000, MIB(256)}, {0xa0000000, MIB(16)});
    assert_said("0x0, 2560 MiB: only 512 can be memory");
}

static void test_too_many_ranges(void **state)
{
    (void)state;
    fake_lefi_put(FAKE_LEFI_MEMORY + 2, 4, 128);
    for (unsigned i = 0; i < 128; i++)
        put_entry(i, 2, 0x90000000 + i * MIB(32), 16);
    read_tree();
    assert_said("more than 16 memory ranges");
    put_entry(0, 1, 0, 240);
    read_tree();
    assert_non_null(dt_by_path("/memory@0"));
}

static void test_bad_cpus(void **state)
{
    (void)state;
    static const struct {
        unsigned offset, bytes;
        uint64_t value;
    } damages[] = {
        {FAKE_LEFI_OFFSETS + 8, 8, UINT64_MAX},
        {FAKE_LEFI_CPU, 2, 7},
        {FAKE_LEFI_CPU + 22, 4, 0},
        {FAKE_LEFI_CPU + 22, 4, UINT32_MAX},
        {FAKE_LEFI_CPU + 14, 2, 4},
        {FAKE_LEFI_CPU + 14, 2, 0xffff},
        {FAKE_LEFI_CPU + 16, 2, 0xffff},
    };
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        fake_lefi_reset();
        fake_lefi_put(damages[i].offset, damages[i].bytes, damages[i].value);
        read_tree();
        assert_said("CPU table of the firmware is damaged");
        assert_int_equal(cpu_nodes(), 1);
        assert_non_null(dt_by_path("/cpus/cpu@0"));
        MEMORY_IS({0, MIB(240)}, {0x90000000, MIB(256)});
    }
    fake_lefi_reset();
    fake_lefi_put(FAKE_LEFI_CPU + 18, 4, 12345); // a clock that cannot be
    read_tree();
    assert_false(dt_has(dt_by_path("/cpus/cpu@0"), "clock-frequency"));
}

// Every byte of the tables that are read, with every bit pattern that matters.
static void test_each_byte(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    unsigned last = FAKE_LEFI_MAP + 2 * FAKE_LEFI_STRIDE;
    for (unsigned offset = 0; offset < last; offset++) {
        for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
            fake_lefi_reset();
            fake_lefi_argument("rd_start=0xffffffff84000000 rd_size=5 x");
            fake_lefi_put(offset, 1, values[i]);
            read_tree();
            assert_string_equal(bootargs(), "x");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The fuzzer's entry, with inputs of every kind of length: it aborts if a tree is not sound.
static void test_fuzz_entry(void **state)
{
    (void)state;
    static uint8_t input[FAKE_LEFI_ROM_BYTES + FAKE_LEFI_ARGS_BYTES + 64];
    uint32_t seed = 1;
    for (unsigned round = 0; round < 200; round++) {
        size_t size = round % 2 ? round : sizeof(input) - round;
        for (size_t i = 0; i < size; i++)
            input[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
        LLVMFuzzerTestOneInput(input, size);
    }
}

static void test_random(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        fake_lefi_reset();
        fake_lefi_argument("rd_start=0xffffffff84000000 rd_size=5 mem=200M -- x");
        for (int n = rand() % 8 + 1; n > 0; n--) {
            if (rand() % 3)
                fake_lefi_put((unsigned)rand() % (FAKE_LEFI_MAP + 200), 1, (uint64_t)rand());
            else
                fake_lefi_put_args((unsigned)rand() % 80, (uint8_t)rand());
        }
        read_tree();
    }
}

// A tree without room: an error, and never a write outside.
static void test_no_room(void **state)
{
    (void)state;
    unsigned failures = 0;
    fake_lefi_argument("rd_start=0xffffffff84000000 rd_size=5 hello");
    for (size_t room = 0; room < 1024; room += 4) {
        fake_lefi_room = room;
        failures += patch() != 0;
    }
    assert_true(failures > 10 && failures < 256);
    fake_lefi_room = FAKE_LEFI_ROOM;
}

static void test_physical(void **state)
{
    (void)state;
    paddr_t pa;
    assert_true(lefi_physical(0xffffffff80000000, 0x10000000, &pa));
    assert_int_equal(pa, 0);
    assert_true(lefi_physical(0xffffffffa0001234, 1, &pa));
    assert_int_equal(pa, 0x1234);
    assert_true(lefi_physical(0xffffffff9fc00000, 0x200000, &pa));
    assert_int_equal(pa, 0x1fc00000);
    assert_false(lefi_physical(0xffffffff80000000, 0x10000001, &pa));
    assert_false(lefi_physical(0xffffffff8fffffff, 2, &pa));
    assert_false(lefi_physical(0xffffffff9fc00000, 0x200001, &pa));
    assert_false(lefi_physical(0xffffffff90000000, 1, &pa));
    assert_false(lefi_physical(0xffffffff7fffffff, 1, &pa));
    assert_false(lefi_physical(0xffffffffc0000000, 1, &pa));
    assert_false(lefi_physical(UINT64_MAX, 1, &pa));
    assert_false(lefi_physical(0x9800000000000000, 1, &pa));
    assert_false(lefi_physical(0, 1, &pa));
    assert_false(lefi_physical(0xffffffff80000000, SIZE_MAX, &pa));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_golden, setup),
        cmocka_unit_test_setup(test_large, setup),
        cmocka_unit_test_setup(test_cores, setup),
        cmocka_unit_test_setup(test_initrd, setup),
        cmocka_unit_test_setup(test_initrd_alone, setup),
        cmocka_unit_test_setup(test_initrd_of_the_application, setup),
        cmocka_unit_test_setup(test_initrd_first_counts, setup),
        cmocka_unit_test_setup(test_bad_initrd, setup),
        cmocka_unit_test_setup(test_many_arguments, setup),
        cmocka_unit_test_setup(test_cut_argument, setup),
        cmocka_unit_test_setup(test_bad_arguments, setup),
        cmocka_unit_test_setup(test_bad_argument_addresses, setup),
        cmocka_unit_test_setup(test_endless_argument, setup),
        cmocka_unit_test_setup(test_bad_memory_table, setup),
        cmocka_unit_test_setup(test_bad_params_address, setup),
        cmocka_unit_test_setup(test_entries, setup),
        cmocka_unit_test_setup(test_absurd_sizes, setup),
        cmocka_unit_test_setup(test_too_many_ranges, setup),
        cmocka_unit_test_setup(test_bad_cpus, setup),
        cmocka_unit_test_setup(test_each_byte, setup),
        cmocka_unit_test_setup(test_random, setup),
        cmocka_unit_test_setup(test_fuzz_entry, setup),
        cmocka_unit_test_setup(test_no_room, setup),
        cmocka_unit_test(test_physical),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fake_lefi_free();
    return failed;
}

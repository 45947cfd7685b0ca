// SPDX-License-Identifier: BSD-2-Clause
//
// The EFI boot tables of LoongArch, in the layout that QEMU 10 makes (a dump of its memory): the
// first configuration table is overwritten, and the tree claims a megabyte. Then one lie at a
// time, then random damage through the entry that a fuzzer uses. Memory is a heap block that ends
// with the tree, so that ASan sees any step outside.
//
// unit-sources: platform/loongson/loongarch64/efi.c core/lib/dt.c tests/fuzz/efi_fuzz.c
// unit-sources: out/deps/libfdt/libfdt/fdt_addresses.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_sw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_ro.c out/deps/libfdt/libfdt/fdt_rw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_wip.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/lib/dt.h"
#include "platform/loongson/loongarch64/efi.h"

#define CMDLINE 0
#define SYSTEM 0x200
#define TABLES 0x10200
#define INITRD 0x20200
#define TREE 0x100000
#define TREE_CLAIMS 0x100000 // bytes that its header speaks of
#define INITRD_BASE 0x210000
#define INITRD_BYTES 5000
#define TABLE_COUNT (SYSTEM + 0x68)
#define TABLE_POINTER (SYSTEM + 0x70)
#define TREE_POINTER (TABLES + 2 * 24 + 16)

static char *ram;
static size_t ram_bytes, tree_bytes;
static char buffer[KIB(48)] __attribute__((aligned(8)));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// ---- Memory ----------------------------------------------------------------------------------

static const void *memory(paddr_t pa, size_t len)
{
    return pa <= ram_bytes && len <= ram_bytes - pa ? ram + pa : NULL;
}

static void put(size_t at, unsigned bytes, uint64_t value)
{
    for (unsigned i = 0; i < bytes; i++)
        ram[at + i] = (char)(value >> (8 * i));
}

static void put_be32(size_t at, uint32_t value) { put(at, 4, __builtin_bswap32(value)); }

static void put_text(size_t at, const char *text) { memcpy(ram + at, text, strlen(text) + 1); }

// A tree as small as one can be that shows whether it came through whole.
static size_t write_tree(char *blob, size_t size, const char *bootargs)
{
    const fdt64_t reg[2] = {cpu_to_fdt64(0), cpu_to_fdt64(0x10000000)};
    fdt_create(blob, (int)size);
    fdt_add_reservemap_entry(blob, 0x5000, 0x1000);
    fdt_finish_reservemap(blob);
    fdt_begin_node(blob, "");
    fdt_property_u32(blob, "#address-cells", 2);
    fdt_property_u32(blob, "#size-cells", 2);
    fdt_begin_node(blob, "memory@0");
    fdt_property_string(blob, "device_type", "memory");
    fdt_property(blob, "reg", reg, sizeof(reg));
    fdt_end_node(blob);
    if (bootargs) {
        fdt_begin_node(blob, "chosen");
        fdt_property_string(blob, "stdout-path", "/serial@1fe001e0");
        if (*bootargs)
            fdt_property_string(blob, "bootargs", bootargs);
        fdt_end_node(blob);
    }
    fdt_end_node(blob);
    assert_int_equal(fdt_finish(blob), 0);
    return fdt_totalsize(blob);
}

static const uint8_t initrd_guid[] = {0x27, 0xe4, 0x68, 0x55, 0xfc, 0x68, 0x3d, 0x4f,
                                      0xac, 0x74, 0xca, 0x55, 0x52, 0x31, 0xcc, 0x68};
static const uint8_t tree_guid[] = {0xd5, 0x21, 0xb6, 0xb1, 0x9c, 0xf1, 0xa5, 0x41,
                                    0x83, 0x0b, 0xd9, 0x15, 0x2c, 0x69, 0xaa, 0xe0};

// bootargs: of the tree itself; NULL for a tree without /chosen.
static void set_up_with(const char *bootargs)
{
    static char blob[4096];
    tree_bytes = write_tree(blob, sizeof(blob), bootargs);
    ram_bytes = TREE + tree_bytes;
    free(ram);
    ram = calloc(1, ram_bytes);
    put_text(CMDLINE, "loglevel=7 quiet");
    put(SYSTEM, 8, 0x5453595320494249);
    put(SYSTEM + 8, 4, 0x78);
    put(SYSTEM + 0x20, 4, 0x10000);
    put(TABLE_COUNT, 8, 3);
    put(TABLE_POINTER, 8, TABLES);
    put(TABLES + 8, 8, 0x28); // over the first table lies the start of a memory map
    put(TABLES + 16, 8, 1);
    memcpy(ram + TABLES + 24, initrd_guid, 16);
    put(TABLES + 40, 8, INITRD);
    memcpy(ram + TABLES + 48, tree_guid, 16);
    put(TREE_POINTER, 8, TREE);
    put(TABLES + 0x50, 8, 1);
    put(TABLES + 0x58, 8, 0x80000000);
    put(INITRD, 8, INITRD_BASE);
    put(INITRD + 8, 8, INITRD_BYTES);
    memcpy(ram + TREE, blob, tree_bytes);
    put_be32(TREE + 4, TREE_CLAIMS);
}

static void set_up(void) { set_up_with(""); }

static int build(void)
{
    const struct efi_boot boot = {.table = SYSTEM, .cmdline = CMDLINE, .memory = memory};
    memset(buffer, 0xa5, sizeof(buffer));
    return efi_build_fdt(&boot, buffer, sizeof(buffer));
}

// Builds, and has the result read as the kernel will.
static const struct dt_node *build_chosen(void)
{
    const char *reason = "";
    int used = build();
    assert_in_range(used, 1, sizeof(buffer));
    assert_int_equal(dt_init(buffer, (size_t)used, &reason), 0);
    assert_int_equal(dt_used_bytes(), used);
    assert_non_null(dt_by_path("/memory@0"));
    const struct dt_node *chosen = dt_by_path("/chosen");
    assert_non_null(chosen);
    return chosen;
}

// ---- Sound tables ----------------------------------------------------------------------------

static void test_golden(void **state)
{
    (void)state;
    uint64_t start = 0, end = 0, len;
    paddr_t base;
    set_up();
    const struct dt_node *chosen = build_chosen();
    assert_string_equal(dt_string(chosen, "bootargs"), "loglevel=7 quiet");
    assert_string_equal(dt_string(chosen, "stdout-path"), "/serial@1fe001e0");
    assert_int_equal(dt_u64(chosen, "linux,initrd-start", &start), 0);
    assert_int_equal(dt_u64(chosen, "linux,initrd-end", &end), 0);
    assert_int_equal(start, INITRD_BASE);
    assert_int_equal(end, INITRD_BASE + INITRD_BYTES);
    assert_int_equal(dt_reservation(0, &base, &len), 0);
    assert_int_equal(base, 0x5000);
    assert_int_equal(dt_reservation(1, &base, &len), -ENOENT);
}

static void test_nothing_to_add(void **state)
{
    (void)state;
    set_up_with("from=tree");
    ram[CMDLINE] = '\0';
    put(INITRD + 8, 8, 0);
    const struct dt_node *chosen = build_chosen();
    assert_string_equal(dt_string(chosen, "bootargs"), "from=tree");
    assert_false(dt_has(chosen, "linux,initrd-start") || dt_has(chosen, "linux,initrd-end"));
}

static void test_replaces_bootargs(void **state)
{
    (void)state;
    set_up_with("from=tree and rather long, so that the tree becomes shorter");
    assert_string_equal(dt_string(build_chosen(), "bootargs"), "loglevel=7 quiet");
    set_up_with(NULL); // no /chosen
    assert_string_equal(dt_string(build_chosen(), "bootargs"), "loglevel=7 quiet");
}

static void test_cmdline_bounds(void **state)
{
    (void)state;
    struct efi_boot boot = {.table = SYSTEM, .cmdline = 0x30000, .memory = memory};
    const char *reason;
    set_up();
    memset(ram + 0x30000, 'x', 600);
    int used = efi_build_fdt(&boot, buffer, sizeof(buffer));
    assert_int_equal(dt_init(buffer, (size_t)used, &reason), 0);
    assert_int_equal(strlen(dt_string(dt_by_path("/chosen"), "bootargs")), EFI_CMDLINE_MAX);
    boot.cmdline = ram_bytes - 3; // the end of memory ends it
    memset(ram + ram_bytes - 3, 'y', 3);
    put_be32(TREE + 32, fdt_size_dt_strings(ram + TREE) - 3); // no part of the tree any more
    used = efi_build_fdt(&boot, buffer, sizeof(buffer));
    assert_true(used > 0);
    boot.cmdline = UINT64_MAX - 1;
    assert_true(efi_build_fdt(&boot, buffer, sizeof(buffer)) > 0);
}

// No table needs to be aligned, and they may come in any order.
static void test_misaligned(void **state)
{
    (void)state;
    uint64_t start;
    set_up();
    memmove(ram + TABLES + 3, ram + TABLES + 24, 48);
    put(TABLE_POINTER, 8, TABLES + 3);
    put(TABLE_COUNT, 8, 2);
    memmove(ram + INITRD + 5, ram + INITRD, 16);
    put(TABLES + 3 + 16, 8, INITRD + 5);
    assert_int_equal(dt_u64(build_chosen(), "linux,initrd-start", &start), 0);
    assert_int_equal(start, INITRD_BASE);
}

// ---- Lies ------------------------------------------------------------------------------------

struct lie {
    size_t at;
    unsigned bytes;
    uint64_t value;
    int expected; // 0: the tree comes through
};

static const struct lie lies[] = {
    {SYSTEM, 1, 0, -ENODEV}, // signature
    {SYSTEM + 7, 1, 0, -ENODEV},
    {SYSTEM + 8, 4, 0, 0}, // revision, sizes and CRC mean nothing
    {SYSTEM + 12, 8, UINT64_MAX, 0},
    {TABLE_COUNT, 8, 0, -ENODEV},
    {TABLE_COUNT, 8, 2, -ENODEV},
    {TABLE_COUNT, 8, UINT64_MAX, 0},
    {TABLE_POINTER, 8, 0, -ENODEV},
    {TABLE_POINTER, 8, UINT64_MAX - 8, -ENODEV},
    {TABLE_POINTER, 8, 0x10000000, -ENODEV},
    {TABLES + 48, 1, 0, -ENODEV}, // GUID of the tree
    {TABLES + 63, 1, 0, -ENODEV},
    {TREE_POINTER, 8, 0, -ENODEV},
    {TREE_POINTER, 8, UINT64_MAX, -EINVAL},
    {TREE_POINTER, 8, TREE - 8, -EINVAL},
    {TABLES + 40, 8, UINT64_MAX, 0}, // initrd table
    {TABLES + 40, 8, 0, 0},
    {INITRD, 8, UINT64_MAX, 0},
    {INITRD + 8, 8, UINT64_MAX, 0},
};

static void test_lies(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
        const struct lie *lie = &lies[i];
        set_up();
        put(lie->at, lie->bytes, lie->value);
        int used = build();
        if (lie->expected)
            assert_int_equal(used, lie->expected);
        else
            assert_string_equal(dt_string(build_chosen(), "bootargs"), "loglevel=7 quiet");
    }
    set_up(); // an initrd that wraps is none
    put(INITRD, 8, UINT64_MAX - 10);
    assert_false(dt_has(build_chosen(), "linux,initrd-start"));
    const struct efi_boot none = {.table = 0, .cmdline = 0, .memory = memory};
    assert_int_equal(efi_build_fdt(&none, buffer, sizeof(buffer)), -ENODEV);
    const struct efi_boot outside = {.table = ram_bytes - 8, .cmdline = 0, .memory = memory};
    assert_int_equal(efi_build_fdt(&outside, buffer, sizeof(buffer)), -ENODEV);
}

// Each word of the tree's header takes values that would lead outside.
static void test_tree_header(void **state)
{
    (void)state;
    static const uint32_t values[] = {0,          1,          7,          0x28,      0x1000,
                                      0xfffff,    0x100000,   0x100001,   0x1000000, 0x1000001,
                                      0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff};
    for (unsigned word = 0; word < 10; word++) {
        for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
            const char *reason;
            set_up();
            put_be32(TREE + word * 4, values[i]);
            int used = build();
            if (used > 0)
                dt_init(buffer, (size_t)used, &reason);
            else
                assert_true(used == -EINVAL || used == -ENOSPC);
        }
    }
    set_up();
    put_be32(TREE, 0xd00dfeec);
    assert_int_equal(build(), -EINVAL);
    set_up();
    put_be32(TREE + 4, 0x1000001); // more than any tree has
    assert_int_equal(build(), -EINVAL);
    set_up();
    put_be32(TREE + 20, 16); // an old version
    assert_int_equal(build(), -EINVAL);
    set_up();
    put_be32(TREE + 16, (uint32_t)tree_bytes - 16); // reservations without an end
    assert_int_equal(build(), -EINVAL);
    set_up();
    put_be32(TREE + 36, TREE_CLAIMS / 2); // structure longer than memory
    assert_true(build() < 0);
}

// A tree that fits has room for the additions.
static void test_small_buffers(void **state)
{
    (void)state;
    const struct efi_boot boot = {.table = SYSTEM, .cmdline = CMDLINE, .memory = memory};
    bool fits = false;
    set_up();
    for (size_t size = 0; size < tree_bytes + 1224; size++) {
        char *block = NULL;
        const char *reason;
        assert_int_equal(posix_memalign((void **)&block, 8, MAX(size, 1)), 0);
        int used = efi_build_fdt(&boot, block, size);
        assert_true(used == -ENOSPC || (used > 0 && used <= (int)size));
        assert_true(used > 0 || !fits);
        fits = used > 0;
        if (fits)
            assert_int_equal(dt_init(block, (size_t)used, &reason), 0);
        free(block);
    }
    assert_true(fits);
}

// ---- Damage ----------------------------------------------------------------------------------

// Where something is that counts.
static const struct {
    size_t at, bytes;
} targets[] = {{CMDLINE, 32}, {SYSTEM, 0x78}, {TABLES, 0x60}, {INITRD, 16}, {TREE, 40}};

static void damage(void)
{
    unsigned target = (unsigned)rand() % (ARRAY_SIZE(targets) + 3);
    size_t at = TREE, bytes = tree_bytes;
    if (target < ARRAY_SIZE(targets)) {
        at = targets[target].at;
        bytes = targets[target].bytes;
    }
    at += (size_t)rand() % bytes;
    ram[at] = (char)(rand() & 1 ? ram[at] ^ 1 << (rand() & 7) : rand());
}

static void test_damage(void **state)
{
    (void)state;
    set_up();
    char *sound = malloc(ram_bytes);
    memcpy(sound, ram, ram_bytes);
    for (unsigned seed = 0; seed < 20000; seed++) {
        srand(seed);
        for (int n = 1 + rand() % 4; n > 0; n--)
            damage();
        LLVMFuzzerTestOneInput((const uint8_t *)ram, ram_bytes - (seed % 8 ? 0 : seed % 97));
        for (unsigned i = 0; i < ARRAY_SIZE(targets); i++)
            memcpy(ram + targets[i].at, sound + targets[i].at, targets[i].bytes);
        memcpy(ram + TREE, sound + TREE, tree_bytes);
    }
    assert_memory_equal(ram, sound, ram_bytes);
    free(sound);
}

static void test_cut(void **state)
{
    (void)state;
    set_up();
    for (size_t cut = 0; cut <= tree_bytes; cut++) {
        size_t len = ram_bytes - cut;
        uint8_t *block = malloc(len);
        memcpy(block, ram, len);
        LLVMFuzzerTestOneInput(block, len);
        free(block);
    }
    LLVMFuzzerTestOneInput((const uint8_t *)ram, 0);
}

static int clean_up(void **state)
{
    (void)state;
    free(ram);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_nothing_to_add),
        cmocka_unit_test(test_replaces_bootargs),
        cmocka_unit_test(test_cmdline_bounds),
        cmocka_unit_test(test_misaligned),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_tree_header),
        cmocka_unit_test(test_small_buffers),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, clean_up);
}

// SPDX-License-Identifier: BSD-2-Clause
//
// core/lib/dt on trees that libfdt's writer makes here: a sound one in the shape of a virtual
// machine's, then that one cut at every length and with random bytes changed, then trees that lie
// in one place each. Every blob has a heap block of its own length, so ASan sees any step outside.
// unit-sources: core/lib/dt.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_sw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_ro.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/lib/dt.h"
#include "write_tree.h"

#define BLOB_MAX (256 * 1024)
#define GIC 0x8005
#define MSI 0x8006

static const char *reason;

// ---- Writing trees -----------------------------------------------------------------------------

static void start(void)
{
    blob = malloc(BLOB_MAX);
    assert_int_equal(fdt_create(blob, BLOB_MAX), 0);
    assert_int_equal(fdt_add_reservemap_entry(blob, 0x48000000, 0x100000), 0);
    assert_int_equal(fdt_add_reservemap_entry(blob, 0x50000000, 0x2000), 0);
    assert_int_equal(fdt_finish_reservemap(blob), 0);
    begin("");
}

// Ends the root and cuts the block to what is used.
static size_t finish(void)
{
    end();
    assert_int_equal(fdt_finish(blob), 0);
    size_t len = fdt_totalsize(blob);
    blob = realloc(blob, len);
    return len;
}

static void write_bus(void)
{
    begin("bus@c000000");
    WORDS("ranges", 0, 0, 0xc000000, 0x2000000, 0x5000000, 0x10, 0x0, 0x100);
    WORDS("#address-cells", 1);
    WORDS("#size-cells", 1);
    begin("device@1000");
    WORDS("reg", 0x1000, 0x200, 0x5000080, 0x80, 0x5000080, 0x81, 0xffffff00, 0x100);
    end();
    begin("serial@2000");
    WORDS("reg", 0x2000, 0x100);
    end();
    end();
}

static void write_interrupts(void)
{
    begin("intc@8000000");
    WORDS("phandle", GIC);
    WORDS("reg", 0, 0x8000000, 0, 0x10000, 0, 0x80a0000, 0, 0xf60000);
    text("compatible", "arm,gic-v3");
    flag("ranges");
    WORDS("#address-cells", 2);
    WORDS("#size-cells", 2);
    WORDS("#interrupt-cells", 3);
    begin("its@8080000");
    WORDS("linux,phandle", MSI);
    WORDS("reg", 0, 0x8080000, 0, 0x20000);
    end();
    end();
}

static void write_devices(void)
{
    begin("pl011@9000000");
    list("compatible", "arm,pl011\0arm,primecell", 24);
    WORDS("reg", 0, 0x9000000, 0, 0x1000);
    WORDS("interrupts", 0, 1, 4);
    text("status", "okay");
    end();
    begin("pcie@10000000");
    text("compatible", "pci-host-ecam-generic");
    WORDS("#address-cells", 3);
    WORDS("#size-cells", 2);
    WORDS("ranges", 0x3000000, 0x80, 0, 0x80, 0, 0x80, 0);
    flag("dma-coherent");
    begin("nic@1,0");
    WORDS("reg", 0x800, 0, 0, 0, 0x1000);
    end();
    end();
    begin("off");
    list("compatible", "arm,pl011\0raw,uart", 18);
    text("status", "disabled");
    WORDS("interrupt-parent", 0x99);
    end();
}

static size_t write_machine(void)
{
    start();
    WORDS("interrupt-parent", GIC);
    WORDS("#size-cells", 2);
    WORDS("#address-cells", 2);
    begin("memory@40000000");
    WORDS("reg", 0, 0x40000000, 1, 0);
    text("device_type", "memory");
    end();
    write_bus();
    write_interrupts();
    write_devices();
    begin("aliases");
    text("serial0", "/pl011@9000000");
    text("loop", "serial0");
    end();
    begin("chosen");
    text("stdout-path", "serial0:115200n8");
    WORDS("linux,initrd-start", 0x48000000);
    WORDS("big", 1, 2);
    WORDS("three", 1, 2, 3);
    list("raw", "no end", 6);
    end();
    return finish();
}

// ---- Reading everything: must end, whatever the blob --------------------------------------------

static volatile uint64_t sink;

static void read_node(const struct dt_node *node)
{
    static const char *const names[] = {"reg",     "ranges", "compatible",       "status",
                                        "phandle", "none",   "interrupt-parent", "#address-cells",
                                        ""};
    paddr_t base;
    uint64_t len, wide;
    uint32_t word;
    int bytes;
    sink += strlen(node->name);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const unsigned char *value = dt_property(node, names[i], &bytes);
        for (int b = 0; value && b < bytes; b++)
            sink += value[b];
        const char *string = dt_string(node, names[i]);
        sink += string ? strlen(string) : 0;
        sink += (uint64_t)dt_u32_at(node, names[i], 3, &word);
        sink += (uint64_t)dt_u64(node, names[i], &wide);
    }
    for (unsigned i = 0; i < 4; i++)
        sink += (uint64_t)dt_reg(node, i, &base, &len);
    sink += dt_interrupt_parent(node) != NULL;
    sink += dt_is_available(node) + dt_dma_coherent(node) + dt_address_cells(node);
    sink += dt_is_compatible(node, "arm,primecell");
}

static void read_all(void)
{
    paddr_t base;
    uint64_t len;
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node)) {
        read_node(node);
        for (const struct dt_node *c = dt_first_child(node); c; c = dt_next_sibling(c))
            assert_ptr_equal(dt_parent(c), node);
    }
    for (unsigned i = 0; dt_reservation(i, &base, &len) == 0; i++)
        sink += base + len;
    sink += dt_by_path("serial0:115200") != NULL;
    sink += dt_by_path("/chosen") != NULL;
    sink += dt_by_compatible(NULL, "arm,gic-v3") != NULL;
    sink += dt_by_phandle(GIC) != NULL;
}

static void release(void)
{
    free(blob);
    blob = NULL;
}

// ---- A sound tree
// --------------------------------------------------------------------------------

static void test_structure(void **state)
{
    (void)state;
    size_t len = write_machine();
    assert_int_equal(dt_init(blob, len, &reason), 0);
    assert_ptr_equal(dt_blob(), blob);
    assert_int_equal(dt_used_bytes(), len);
    const struct dt_node *root = dt_root();
    assert_string_equal(root->name, "");
    assert_null(dt_parent(root));
    assert_string_equal(dt_first_child(root)->name, "memory@40000000");
    const struct dt_node *bus = dt_next_sibling(dt_first_child(root));
    assert_string_equal(bus->name, "bus@c000000");
    assert_string_equal(dt_first_child(bus)->name, "device@1000");
    assert_ptr_equal(dt_parent(dt_first_child(bus)), bus);
    static const char *const order[] = {"",
                                        "memory@40000000",
                                        "bus@c000000",
                                        "device@1000",
                                        "serial@2000",
                                        "intc@8000000",
                                        "its@8080000",
                                        "pl011@9000000",
                                        "pcie@10000000",
                                        "nic@1,0",
                                        "off",
                                        "aliases",
                                        "chosen"};
    size_t n = 0;
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node))
        assert_string_equal(node->name, order[n++]);
    assert_int_equal(n, ARRAY_SIZE(order));
    release();
}

static void test_lookups(void **state)
{
    (void)state;
    size_t len = write_machine();
    assert_int_equal(dt_init(blob, len, &reason), 0);
    assert_ptr_equal(dt_by_path("/"), dt_root());
    const struct dt_node *uart = dt_by_path("/pl011@9000000");
    assert_non_null(uart);
    assert_ptr_equal(dt_by_path("/pl011"), uart);
    assert_ptr_equal(dt_by_path("serial0"), uart);
    assert_ptr_equal(dt_by_path("serial0:115200n8"), uart);
    assert_ptr_equal(dt_by_path("/pl011@9000000:9600"), uart);
    assert_null(dt_by_path("/pl011@9000001"));
    assert_null(dt_by_path("/pl01"));
    assert_null(dt_by_path("loop")); // an alias must be a path
    assert_null(dt_by_path("nothing"));
    assert_null(dt_by_path(""));
    assert_string_equal(dt_by_path("/intc/its")->name, "its@8080000");
    assert_string_equal(dt_by_path("/bus/serial@2000")->name, "serial@2000");
    assert_null(dt_by_path("/intc/its/none"));
    assert_string_equal(dt_by_phandle(GIC)->name, "intc@8000000");
    assert_string_equal(dt_by_phandle(MSI)->name, "its@8080000");
    assert_null(dt_by_phandle(0));
    assert_null(dt_by_phandle(0xffffffff));
    assert_null(dt_by_phandle(77));
    assert_ptr_equal(dt_by_compatible(NULL, "arm,primecell"), uart);
    assert_ptr_equal(dt_by_compatible(NULL, "arm,pl011"), uart);
    assert_string_equal(dt_by_compatible(uart, "arm,pl011")->name, "off");
    assert_null(dt_by_compatible(NULL, "arm,pl0"));
    assert_null(dt_by_compatible(NULL, "raw,uart")); // the list ends before its NUL
    assert_true(dt_is_available(uart));
    assert_false(dt_is_available(dt_by_path("/off")));
    assert_true(dt_dma_coherent(dt_by_path("/pcie/nic")));
    assert_false(dt_dma_coherent(uart));
    release();
}

static void test_properties(void **state)
{
    (void)state;
    size_t len = write_machine();
    assert_int_equal(dt_init(blob, len, &reason), 0);
    const struct dt_node *chosen = dt_by_path("/chosen");
    uint32_t word;
    uint64_t wide;
    int bytes = -1;
    assert_string_equal(dt_string(chosen, "stdout-path"), "serial0:115200n8");
    assert_null(dt_string(chosen, "raw"));
    assert_null(dt_string(chosen, "none"));
    assert_int_equal(dt_u32(chosen, "linux,initrd-start", &word), 0);
    assert_int_equal(word, 0x48000000);
    assert_int_equal(dt_u32_at(chosen, "big", 1, &word), 0);
    assert_int_equal(word, 2);
    assert_int_equal(dt_u32_at(chosen, "big", 2, &word), -EINVAL);
    assert_int_equal(dt_u32(chosen, "none", &word), -ENOENT);
    assert_int_equal(dt_u64(chosen, "linux,initrd-start", &wide), 0);
    assert_int_equal(wide, 0x48000000);
    assert_int_equal(dt_u64(chosen, "big", &wide), 0);
    assert_true(wide == 0x100000002);
    assert_int_equal(dt_u64(chosen, "three", &wide), -EINVAL);
    assert_int_equal(dt_u64(chosen, "none", &wide), -ENOENT);
    assert_non_null(dt_property(dt_by_path("/pcie"), "dma-coherent", &bytes));
    assert_int_equal(bytes, 0);
    assert_null(dt_property(chosen, "dma-coherent", &bytes));
    release();
}

static void expect_reg(const char *path, unsigned index, int err, uint64_t base, uint64_t len)
{
    paddr_t got_base = 0;
    uint64_t got_len = 0;
    assert_int_equal(dt_reg(dt_by_path(path), index, &got_base, &got_len), err);
    if (!err) {
        assert_true(got_base == base);
        assert_true(got_len == len);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    paddr_t base;
    uint64_t bytes;
    size_t len = write_machine();
    assert_int_equal(dt_init(blob, len, &reason), 0);
    expect_reg("/memory", 0, 0, 0x40000000, 0x100000000);
    expect_reg("/memory", 1, -ENOENT, 0, 0);
    expect_reg("/intc", 1, 0, 0x80a0000, 0xf60000);
    expect_reg("/intc/its", 0, 0, 0x8080000, 0x20000); // empty ranges: identity
    expect_reg("/bus/device", 0, 0, 0xc001000, 0x200);
    expect_reg("/bus/device", 1, 0, 0x1000000080, 0x80); // second window, above 4 GiB
    expect_reg("/bus/device", 2, -ERANGE, 0, 0);         // reaches one byte out of it
    expect_reg("/bus/device", 3, -ERANGE, 0, 0);
    expect_reg("/pcie/nic", 0, -ERANGE, 0, 0); // 96-bit address
    expect_reg("/chosen", 0, -ENOENT, 0, 0);
    expect_reg("/", 0, -ENOENT, 0, 0);
    assert_int_equal(dt_reservation(0, &base, &bytes), 0);
    assert_int_equal(base, 0x48000000);
    assert_int_equal(dt_reservation(1, &base, &bytes), 0);
    assert_int_equal(bytes, 0x2000);
    assert_int_equal(dt_reservation(2, &base, &bytes), -ENOENT);
    assert_string_equal(dt_interrupt_parent(dt_by_path("/pl011"))->name, "intc@8000000");
    assert_string_equal(dt_interrupt_parent(dt_by_path("/bus/device"))->name, "intc@8000000");
    assert_string_equal(dt_interrupt_parent(dt_by_path("/intc/its"))->name, "intc@8000000");
    assert_null(dt_interrupt_parent(dt_by_path("/intc"))); // it names itself
    assert_null(dt_interrupt_parent(dt_by_path("/off")));  // a phandle that nobody has
    release();
}

// QEMU's blobs say 1 MiB and use 8 KiB: what counts is the used part.
static void test_padded_blob(void **state)
{
    (void)state;
    size_t len = write_machine();
    fdt_set_totalsize(blob, 1 << 20);
    assert_int_equal(dt_init(blob, len, &reason), 0);
    assert_int_equal(dt_used_bytes(), len);
    read_all();
    assert_int_equal(dt_init(blob, len - 1, &reason), -EINVAL);
    release();
}

// ---- Damage ------------------------------------------------------------------------------------

static void test_truncated(void **state)
{
    (void)state;
    size_t len = write_machine();
    char *whole = blob;
    for (size_t cut = 0; cut < len; cut++) {
        blob = malloc(cut ? cut : 1);
        memcpy(blob, whole, cut);
        reason = NULL;
        assert_int_equal(dt_init(blob, cut, &reason), -EINVAL);
        assert_non_null(reason);
        assert_null(dt_root());
        read_all();
        // The same with a header that owns up to the cut.
        if (cut >= sizeof(struct fdt_header)) {
            fdt_set_totalsize(blob, (uint32_t)cut);
            dt_init(blob, cut, &reason);
            read_all();
        }
        release();
    }
    blob = whole;
    assert_int_equal(dt_init(NULL, 100, &reason), -EINVAL);
    assert_int_equal(dt_init(blob, len, &reason), 0);
    release();
}

static void test_random_damage(void **state)
{
    (void)state;
    size_t len = write_machine();
    char *copy = malloc(len);
    unsigned refused = 0, accepted = 0;
    srand(2);
    for (int round = 0; round < 10000; round++) {
        memcpy(copy, blob, len);
        for (int flips = 1 + rand() % 4; flips > 0; flips--) {
            // Half of the damage goes to the header and the first nodes.
            size_t at = (size_t)rand() % (rand() % 2 ? len : 200);
            copy[at] = (char)(rand() % 3 ? copy[at] ^ 1 << rand() % 8 : rand());
        }
        if (dt_init(copy, len, &reason) == 0)
            accepted++;
        else
            refused++;
        read_all();
    }
    assert_true(refused > 1000 && accepted > 1000);
    free(copy);
    release();
}

// ---- Lies --------------------------------------------------------------------------------------

static void test_wrong_cells(void **state)
{
    (void)state;
    start();
    WORDS("#address-cells", 0xffffffff);
    WORDS("#size-cells", 0x80000000);
    begin("a");
    WORDS("reg", 0, 0, 0, 1, 0, 0, 0, 2);
    end();
    begin("b");
    WORDS("reg", 1, 0, 0, 1, 0, 0, 0, 2);
    end();
    begin("c");
    WORDS("reg", 1, 2, 3);
    WORDS("#address-cells", 0);
    WORDS("#size-cells", 0);
    begin("d");
    WORDS("reg", 1, 2, 3);
    end();
    end();
    begin("e");
    list("#address-cells", "xy", 2);
    WORDS("#size-cells", 2);
    WORDS("ranges", 1, 2, 3);
    begin("f");
    WORDS("reg", 0xffffffff, 0xffffffff, 0, 2, 0, 1, 0, 2);
    end();
    end();
    size_t len = finish();
    assert_int_equal(dt_init(blob, len, &reason), 0);
    assert_int_equal(dt_address_cells(dt_root()), 4);
    assert_int_equal(dt_size_cells(dt_root()), 4);
    expect_reg("/a", 0, 0, 1, 2);
    expect_reg("/b", 0, -ERANGE, 0, 0);
    expect_reg("/c", 0, -EINVAL, 0, 0);
    expect_reg("/c/d", 0, -EINVAL, 0, 0);
    expect_reg("/e/f", 0, -EINVAL, 0, 0); // wraps
    expect_reg("/e/f", 1, -EINVAL, 0, 0); // ranges of an odd length
    read_all();
    release();
}

static void test_cyclic_interrupt_parents(void **state)
{
    (void)state;
    start();
    begin("a");
    WORDS("phandle", 1);
    WORDS("interrupt-parent", 2);
    end();
    begin("b");
    WORDS("phandle", 2);
    WORDS("interrupt-parent", 1);
    end();
    begin("c");
    WORDS("phandle", 3);
    WORDS("interrupt-parent", 3);
    end();
    size_t len = finish();
    assert_int_equal(dt_init(blob, len, &reason), 0);
    assert_null(dt_interrupt_parent(dt_by_path("/a")));
    assert_null(dt_interrupt_parent(dt_by_path("/b")));
    assert_null(dt_interrupt_parent(dt_by_path("/c")));
    assert_null(dt_interrupt_parent(dt_root()));
    release();
}

static size_t write_nested(int depth)
{
    start();
    for (int i = 1; i < depth; i++)
        begin("n");
    for (int i = 1; i < depth; i++)
        end();
    return finish();
}

static void test_depth(void **state)
{
    (void)state;
    size_t len = write_nested(DT_MAX_DEPTH);
    assert_int_equal(dt_init(blob, len, &reason), 0);
    read_all();
    release();
    len = write_nested(DT_MAX_DEPTH + 1);
    assert_int_equal(dt_init(blob, len, &reason), -EINVAL);
    assert_string_equal(reason, "nested too deep");
    assert_null(dt_root());
    release();
}

static void test_too_many_nodes(void **state)
{
    (void)state;
    start();
    for (int i = 0; i < 600; i++) {
        begin("outer");
        WORDS("reg", 1, 2);
        begin("inner");
        end();
        end();
    }
    size_t len = finish();
    assert_int_equal(dt_init(blob, len, &reason), -E2BIG);
    int count = 0;
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node))
        count++;
    assert_int_equal(count, DT_MAX_NODES);
    read_all();
    release();
}

// Properties behind a child, tags to be skipped, a second root, text after the end of the names.
static void test_odd_structure(void **state)
{
    (void)state;
    size_t len = write_machine();
    // The first property of /chosen becomes a run of NOPs.
    int node = fdt_path_offset(blob, "/chosen");
    int prop = fdt_first_property_offset(blob, node);
    int next = fdt_next_property_offset(blob, prop);
    uint32_t *tags = (uint32_t *)(blob + fdt_off_dt_struct(blob) + prop);
    for (int i = 0; i < (next - prop) / 4; i++)
        tags[i] = cpu_to_fdt32(FDT_NOP);
    assert_int_equal(dt_init(blob, len, &reason), 0);
    uint32_t word;
    assert_int_equal(dt_u32(dt_by_path("/chosen"), "linux,initrd-start", &word), 0);
    assert_null(dt_string(dt_by_path("/chosen"), "stdout-path"));
    // The root ends at once: what follows is a second root.
    int first = fdt_first_property_offset(blob, 0);
    tags = (uint32_t *)(blob + fdt_off_dt_struct(blob) + first);
    tags[0] = cpu_to_fdt32(FDT_END_NODE);
    assert_int_equal(dt_init(blob, len, &reason), -EINVAL);
    release();
    len = write_machine();
    prop = fdt_first_property_offset(blob, 0);
    tags = (uint32_t *)(blob + fdt_off_dt_struct(blob) + prop);
    tags[2] = cpu_to_fdt32(fdt_size_dt_strings(blob)); // name offset
    assert_int_equal(dt_init(blob, len, &reason), -EINVAL);
    assert_string_equal(reason, "a property name outside the strings block");
    tags[2] = 0;
    tags[1] = cpu_to_fdt32(0x7fffffff); // length
    assert_int_equal(dt_init(blob, len, &reason), -EINVAL);
    release();
}

static void test_headers(void **state)
{
    (void)state;
    size_t len = write_machine();
    char *copy = malloc(len + 8);
    memcpy(copy + 4, blob, len);
    assert_int_equal(dt_init(copy + 4, len, &reason), -EINVAL);
    assert_string_equal(reason, "not 8-byte aligned");
    memcpy(copy, blob, len);
    fdt_set_magic(copy, 0x12345678);
    assert_int_equal(dt_init(copy, len, &reason), -EINVAL);
    assert_string_equal(reason, "no magic number");
    memcpy(copy, blob, len);
    fdt_set_version(copy, 16);
    assert_int_equal(dt_init(copy, len, &reason), -EINVAL);
    memcpy(copy, blob, len);
    fdt_set_off_dt_struct(copy, fdt_off_dt_struct(copy) + 2);
    assert_int_equal(dt_init(copy, len, &reason), -EINVAL);
    memcpy(copy, blob, len);
    fdt_set_off_dt_strings(copy, 0xfffffff0);
    assert_int_equal(dt_init(copy, len, &reason), -EINVAL);
    // A reservation block that runs into the end of the blob.
    memcpy(copy, blob, len);
    fdt_set_off_mem_rsvmap(copy, (uint32_t)ALIGN_DOWN(len - 8, 8u));
    assert_int_equal(dt_init(copy, len, &reason), -EINVAL);
    assert_string_equal(reason, "unterminated reservation block");
    // Names that do not end: the last one is cut off, and who uses it is refused.
    memcpy(copy, blob, len);
    copy[fdt_off_dt_strings(copy) + fdt_size_dt_strings(copy) - 1] = 'x';
    assert_int_equal(dt_init(copy, len, &reason), -EINVAL);
    assert_string_equal(reason, "a property name outside the strings block");
    free(copy);
    release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_properties),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_padded_blob),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_wrong_cells),
        cmocka_unit_test(test_cyclic_interrupt_parents),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_too_many_nodes),
        cmocka_unit_test(test_odd_structure),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

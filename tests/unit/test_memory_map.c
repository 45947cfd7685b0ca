// SPDX-License-Identifier: BSD-2-Clause
//
// From device trees, made here with libfdt's writer, to what memblock holds: the reference's
// example and its variants, everything that takes memory away, what is placed, and trees that make
// no sense. The image is at 0x40200000, or at 0x80200000 in the example.
//
// unit-sources: core/lib/dt.c core/lib/bootparam.c core/lib/fmt.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_sw.c
// unit-sources: out/deps/libfdt/libfdt/fdt_ro.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "mm/memblock.c"
#include "mm/memory_map.c"
#include "mm_ram.h"
#include "write_tree.h"

#define BLOB_MAX 65536
#define IMAGE_BYTES 0x80000ULL
#define TREE 0x48000000ULL

static paddr_t image_base;
static paddr_t area_base;
static uint64_t area_bytes;
static jmp_buf stopped;

bool linear_mapped(paddr_t pa, uint64_t len) { return pa + len > pa; }
void platform_image_range(paddr_t *base, uint64_t *len)
{
    *base = image_base;
    *len = IMAGE_BYTES;
}
void cma_set_area(paddr_t base, uint64_t bytes)
{
    area_base = base;
    area_bytes = bytes;
}
void panic(const char *format, ...)
{
    (void)format;
    longjmp(stopped, 1);
}

// ---- Writing trees -----------------------------------------------------------------------------

static void cells(uint32_t address, uint32_t size)
{
    WORDS("#address-cells", address);
    WORDS("#size-cells", size);
}

static void open_blob(void)
{
    blob = malloc(BLOB_MAX);
    assert_int_equal(fdt_create(blob, BLOB_MAX), 0);
}
static void open_root(uint32_t address, uint32_t size)
{
    assert_int_equal(fdt_finish_reservemap(blob), 0);
    begin("");
    cells(address, size);
}
static void open_tree(uint32_t address, uint32_t size)
{
    open_blob();
    open_root(address, size);
}

// 256 MiB at 1 GiB, one cell each.
static void write_memory(void)
{
    begin("memory@40000000");
    text("device_type", "memory");
    WORDS("reg", 0x40000000, 0x10000000);
    end();
}

static void open_reserved(void)
{
    begin("reserved-memory");
    cells(1, 1);
    flag("ranges");
}

static size_t close_tree(void)
{
    end();
    assert_int_equal(fdt_finish(blob), 0);
    size_t len = fdt_totalsize(blob);
    blob = realloc(blob, len);
    return len;
}

static void forget(void)
{
    memory.count = reserved.count = 0;
    memset(own, 0, sizeof(own));
    area_found = false;
    area_base = area_bytes = 0;
}

// True if the map could be built of the first `len` bytes of the blob; false: it stopped.
static bool build_of(size_t len)
{
    const char *reason;
    forget();
    int err = dt_init(blob, len, &reason);
    if (setjmp(stopped))
        return false;
    memory_map_build(err ? 0 : TREE);
    return true;
}

static bool build(void)
{
    bool good = build_of(close_tree());
    free(blob); // nothing of it is looked at later
    blob = NULL;
    return good;
}

static int start(void **state)
{
    (void)state;
    image_base = 0x40200000;
    memory_limit = 0;
    memset(&cma_option, 0, sizeof(cma_option));
    forget();
    return 0;
}

// ---- What is there now -------------------------------------------------------------------------

static void expect_ranges(unsigned count, const struct memblock_range *ranges)
{
    assert_int_equal(memory.count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(memory.ranges[i].base, ranges[i].base);
        assert_int_equal(memory.ranges[i].len, ranges[i].len);
    }
}
#define EXPECT_MEMORY(...)                                                                   \
    expect_ranges(sizeof((struct memblock_range[]){__VA_ARGS__}) / sizeof(memory.ranges[0]), \
                  (struct memblock_range[]){__VA_ARGS__})

static bool taken(paddr_t base, uint64_t len)
{
    for (unsigned i = 0; i < reserved.count; i++) {
        if (reserved.ranges[i].base <= base && range_end(&reserved.ranges[i]) >= base + len)
            return true;
    }
    return false;
}

static bool is_free(paddr_t base, uint64_t len) { return memblock_is_free(base, len); }

// ---- RAM ---------------------------------------------------------------------------------------

// 2 GiB at 2 GiB and 2 GiB at 34 GiB.
static void example_of_the_reference(void **state)
{
    (void)state;
    image_base = 0x80200000;
    open_tree(2, 2);
    begin("memory@80000000");
    text("device_type", "memory");
    WORDS("reg", 0, 0x80000000, 0, 0x80000000, 8, 0x80000000, 0, 0x80000000);
    end();
    assert_true(build());
    EXPECT_MEMORY({0x80000000, 0x80000000}, {0x880000000, 0x80000000});
    assert_true(taken(image_base, IMAGE_BYTES));
    assert_true(taken(TREE, 0x100));
    assert_true(is_free(0x880000000, 0x80000000));
}

static void other_cells(void **state)
{
    (void)state;
    open_tree(1, 1);
    write_memory();
    assert_true(build());
    EXPECT_MEMORY({0x40000000, 0x10000000});
    open_tree(2, 1);
    begin("memory@40000000");
    text("device_type", "memory");
    WORDS("reg", 0, 0x40000000, 0x8000000, 1, 0, 0x1000000);
    end();
    assert_true(build());
    EXPECT_MEMORY({0x40000000, 0x8000000}, {0x100000000, 0x1000000});
}

static void memory_node(const char *name, uint32_t base, uint32_t len)
{
    begin(name);
    text("device_type", "memory");
    WORDS("reg", base, len);
    end();
}

static void unsorted_and_senseless(void **state)
{
    (void)state;
    open_tree(1, 1);
    memory_node("memory@50000000", 0x50000000, 0x8000000);
    begin("memory@40000000");
    text("device_type", "memory");
    WORDS("reg", 0x44000000, 0x4000000, 0, 0, 0x40000800, 0x5000000, 0x60000001, 0xffe, 0xfffff000,
          0x2000);
    end();
    memory_node("memory@58000000", 0x58000000, 0x1000); // touches the first
    begin("memory@70000000");                           // nobody says that it is memory
    WORDS("reg", 0x70000000, 0x1000000);
    end();
    begin("memory@71000000");
    text("device_type", "memory");
    text("status", "disabled");
    WORDS("reg", 0x71000000, 0x1000000);
    end();
    begin("memory@72000000"); // half a tuple behind a whole one: not to be trusted
    text("device_type", "memory");
    WORDS("reg", 0x72000000, 0x1000000, 0x74000000);
    end();
    assert_true(build());
    EXPECT_MEMORY({0x40001000, 0x7fff000}, {0x50000000, 0x8001000}, {0xfffff000, 0x2000});
}

static void beyond_the_linear_map(void **state)
{
    (void)state;
    open_tree(2, 2);
    begin("memory@40000000");
    text("device_type", "memory");
    WORDS("reg", 0, 0x40000000, 0, 0x10000000, 0x7fff, 0xff000000, 0, 0x2000000, 0x8000, 0, 0, 4096,
          0xffffffff, 0xfffff000, 0, 0x2000);
    end();
    assert_true(build());
    EXPECT_MEMORY({0x40000000, 0x10000000}, {0x7fffff000000, 0x1000000});
}

static void no_memory(void **state)
{
    (void)state;
    open_tree(1, 1);
    assert_false(build());
    open_tree(1, 1);
    memory_node("memory@80000000", 0x80000000, 0x10000000); // the image is not in it
    assert_false(build());
    open_tree(1, 1);
    memory_node("memory@40000000", 0x40000000, 0x201000); // nor all of it in this
    assert_false(build());
}

static void usable_memory(void **state)
{
    (void)state;
    open_tree(1, 1);
    begin("memory@40000000");
    text("device_type", "memory");
    WORDS("reg", 0x40000000, 0x10000000);
    WORDS("linux,usable-memory", 0x40000000, 0x4000000);
    end();
    memory_node("memory@60000000", 0x60000000, 0x4000000);
    begin("chosen");
    WORDS("linux,usable-memory-range", 0x40100000, 0x21000000);
    end();
    assert_true(build());
    EXPECT_MEMORY({0x40100000, 0x3f00000}, {0x60000000, 0x1100000});
}

// Two ranges, as for a crash kernel's low and high memory: what is in neither goes.
static void several_usable_ranges(void **state)
{
    (void)state;
    open_tree(1, 1);
    memory_node("memory@40000000", 0x40000000, 0x10000000);
    begin("chosen");
    WORDS("linux,usable-memory-range", 0x4c000000, 0x1000000, 0x40100800, 0x2000000);
    end();
    assert_true(build());
    EXPECT_MEMORY({0x40101000, 0x1fff000}, {0x4c000000, 0x1000000});
}

// The image stays, wherever the limit ends.
static void limit_keeps_the_image(void **state)
{
    (void)state;
    static const struct {
        uint64_t limit, first, second;
    } cases[] = {{0x8000000, 0x8000000, 0},   {0x100000, 0x100000, IMAGE_BYTES},
                 {0x200000, 0x280000, 0},     {0x240800, 0x280000, 0},
                 {1, 0, IMAGE_BYTES},         {0x1000, 0x1000, IMAGE_BYTES},
                 {0x400000000, 0x10000000, 0}};
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        memory_limit = cases[i].limit;
        open_tree(1, 1);
        write_memory();
        assert_true(build());
        assert_int_equal(memblock_memory_bytes(), cases[i].first + cases[i].second);
        assert_true(memblock_is_memory(image_base, IMAGE_BYTES));
        assert_true(taken(image_base, IMAGE_BYTES));
    }
    assert_int_equal(set_memory_limit("64M"), 0);
    assert_int_equal(memory_limit, MIB(64));
    assert_int_equal(set_memory_limit("lots"), -EINVAL);
}

// ---- Reservations ------------------------------------------------------------------------------

static void reserved_node(const char *name, uint32_t base, uint32_t len, bool no_map)
{
    begin(name);
    WORDS("reg", base, len);
    if (no_map)
        flag("no-map");
    end();
}

static void fixed_reservations(void **state)
{
    (void)state;
    open_blob();
    fdt_add_reservemap_entry(blob, 0x41000000, 0x1000);
    fdt_add_reservemap_entry(blob, 0x42000800, 0);
    fdt_add_reservemap_entry(blob, 0x42000800, 0x800);
    fdt_add_reservemap_entry(blob, UINT64_MAX - 4, 0x800);
    open_root(1, 1);
    write_memory();
    open_reserved();
    begin("several");
    WORDS("reg", 0x43000000, 0x1000, 0, 0, 0x43003000, 0x2000, 0x90000000, 0x1000);
    end();
    reserved_node("hidden", 0x44000000, 0x100000, true);
    begin("off");
    text("status", "disabled");
    WORDS("reg", 0x45000000, 0x1000);
    end();
    reserved_node("image", 0x40200000, 0x1000, true); // must not vanish
    reserved_node("tree", 0x48000000, 0x1000, true);
    reserved_node("tail", 0x48000ff0, 0x10, true); // of its page, where the tree is not
    end();
    assert_true(build());
    assert_true(taken(0x41000000, 0x1000));
    assert_true(taken(0x42000000, 0x1000));
    assert_true(taken(0x43000000, 0x1000) && taken(0x43003000, 0x2000));
    assert_true(is_free(0x43001000, 0x2000));
    assert_true(is_free(0x45000000, 0x1000));
    EXPECT_MEMORY({0x40000000, 0x4000000}, {0x44100000, 0xbf00000});
    assert_true(taken(image_base, IMAGE_BYTES));
}

static void reservations_that_cannot_be_read(void **state)
{
    (void)state;
    open_tree(1, 1);
    write_memory();
    begin("reserved-memory"); // without ranges
    cells(1, 1);
    reserved_node("lost", 0x43000000, 0x1000, false);
    end();
    assert_true(build());
    assert_true(is_free(0x43000000, 0x1000));
    open_tree(1, 1);
    write_memory();
    open_reserved();
    begin("short");
    WORDS("reg", 0x43000000);
    end();
    reserved_node("good", 0x44000000, 0x1000, false);
    end();
    assert_true(build());
    assert_true(taken(0x44000000, 0x1000));
}

// More than the table holds: memory is lost, no reservation is.
static void many_reservations(void **state)
{
    (void)state;
    open_blob();
    for (unsigned i = 0; i < 3 * MEMBLOCK_MAX_RANGES; i++)
        fdt_add_reservemap_entry(blob, 0x41000000 + i * 0x4000, 0x1000);
    open_root(1, 1);
    write_memory();
    assert_true(build());
    for (unsigned i = 0; i < 3 * MEMBLOCK_MAX_RANGES; i++)
        assert_true(taken(0x41000000 + i * 0x4000, 0x1000));
    assert_true(taken(image_base, IMAGE_BYTES) && taken(TREE, 0x100));
    assert_true(is_free(0x4a000000, 0x6000000));
}

static void placed_nodes(void **state)
{
    (void)state;
    open_tree(1, 1);
    write_memory();
    open_reserved();
    begin("anywhere");
    WORDS("size", 0x10000);
    end();
    begin("aligned"); // in the second range: the first has no room
    WORDS("size", 0x1001);
    WORDS("alignment", 0x100000);
    WORDS("alloc-ranges", 0x40200000, 0x80000, 0x41000000, 0x1000000);
    end();
    begin("hidden");
    WORDS("size", 0x2000);
    WORDS("alloc-ranges", 0x43000000, 0x2000);
    flag("no-map");
    end();
    begin("nowhere");
    WORDS("size", 0x2000);
    WORDS("alloc-ranges", 0x80000000, 0x1000000);
    end();
    begin("too-large");
    WORDS("size", 0x20000000);
    end();
    begin("odd");
    WORDS("size", 0x1000);
    WORDS("alignment", 0x3000);
    end();
    begin("no-size");
    end();
    begin("fixed"); // comes last and is respected all the same
    WORDS("reg", 0x4fff0000, 0x10000);
    end();
    end();
    assert_true(build());
    assert_true(taken(0x4fff0000, 0x10000));
    assert_true(taken(0x4ffe0000, 0x10000));
    assert_true(taken(0x41f00000, 0x2000));
    assert_true(is_free(0x41f02000, 0x1000));
    EXPECT_MEMORY({0x40000000, 0x3000000}, {0x43002000, 0xcffe000});
    assert_int_equal(memblock_reserved_bytes(), IMAGE_BYTES + 0x1000 + 0x10000 + 0x10000 + 0x2000);
}

// ---- The contiguous area -----------------------------------------------------------------------

static void expect_area(paddr_t base, uint64_t bytes)
{
    assert_int_equal(area_base, base);
    assert_int_equal(area_bytes, bytes);
    assert_true(!bytes || taken(base, bytes));
}

static void pool_node(const char *name, uint32_t base, uint32_t len, const char *mark)
{
    begin(name);
    text("compatible", "shared-dma-pool");
    WORDS("reg", base, len);
    if (mark)
        flag(mark);
    end();
}

static void area_of_the_tree(void **state)
{
    (void)state;
    open_tree(1, 1);
    write_memory();
    open_reserved();
    pool_node("hidden", 0x44000000, 0x100000, "no-map");
    pool_node("first", 0x45000000, 0x200000, "reusable");
    pool_node("second", 0x46000000, 0x200000, NULL);
    end();
    assert_true(build());
    expect_area(0x45000000, 0x200000);
    assert_true(taken(0x46000000, 0x200000)); // of a device that has no driver here
    assert_false(memblock_is_memory(0x44000000, 1));

    open_tree(1, 1);
    write_memory();
    open_reserved();
    pool_node("first", 0x45000000, 0x200000, NULL);
    pool_node("second", 0x46000800, 0x200000, "linux,cma-default");
    pool_node("third", 0x47000000, 0x200000, "linux,cma-default");
    end();
    assert_true(build());
    expect_area(0x46001000, 0x1ff000);
    assert_true(taken(0x45000000, 0x200000));
}

static void area_that_is_not_free(void **state)
{
    (void)state;
    open_tree(1, 1);
    write_memory();
    open_reserved();
    pool_node("image", 0x40000000, 0x400000, NULL);
    end();
    assert_true(build());
    expect_area(0, 0);
    assert_true(taken(0x40000000, 0x400000)); // somebody's, all the same
    open_tree(1, 1);
    write_memory();
    open_reserved();
    pool_node("pool", 0x45000000, 0x400000, NULL);
    reserved_node("inside", 0x45100000, 0x1000, false);
    end();
    assert_true(build());
    expect_area(0, 0);
}

static void area_that_is_placed(void **state)
{
    (void)state;
    open_tree(1, 1);
    write_memory();
    open_reserved();
    begin("spare"); // nobody could use it
    text("compatible", "shared-dma-pool");
    WORDS("size", 0x100000);
    end();
    begin("linux,cma");
    text("compatible", "shared-dma-pool");
    WORDS("size", 0x1000000);
    WORDS("alignment", 0x400000);
    WORDS("alloc-ranges", 0x40000000, 0x8000000);
    flag("reusable");
    flag("linux,cma-default");
    end();
    end();
    assert_true(build());
    expect_area(0x47000000, 0x1000000);
    assert_true(is_free(0x48001000, 0x7fff000));
}

static bool build_with_cma(const char *option)
{
    memset(&cma_option, 0, sizeof(cma_option));
    assert_int_equal(set_cma_option(option), 0);
    open_tree(1, 1);
    write_memory();
    open_reserved();
    pool_node("pool", 0x45000000, 0x200000, NULL);
    begin("placed");
    text("compatible", "shared-dma-pool");
    WORDS("size", 0x100000);
    end();
    end();
    return build();
}

// The command line wins; what the tree has a place for stays reserved.
static void area_of_the_option(void **state)
{
    (void)state;
    assert_true(build_with_cma("32M"));
    expect_area(0x4e000000, 0x2000000);
    assert_true(taken(0x45000000, 0x200000));
    assert_true(build_with_cma("10000"));
    expect_area(0x4fffd000, 0x3000);
    assert_true(build_with_cma("4097K"));
    expect_area(0x4f800000, 0x401000); // at a block of the page allocator
    assert_true(build_with_cma("16M@0x41000000"));
    expect_area(0x41000000, 0x1000000);
    assert_true(build_with_cma("0"));
    expect_area(0, 0);
    assert_true(is_free(0x48001000, 0x7fff000));
    assert_true(build_with_cma("16M@0x40000000")); // over the image
    expect_area(0, 0);
    assert_true(build_with_cma("1G"));
    expect_area(0, 0);
}

static void area_options_that_make_no_sense(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "4M@",
                                      "4M@0",
                                      "4M@0x801",
                                      "@0x40000000",
                                      "4M@x",
                                      "-1",
                                      "0x100000000000000",
                                      "00000000000000000000000000000000004M"};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(set_cma_option(bad[i]) < 0);
    assert_false(cma_option.given);
}

// Above 4 GiB only when there is no room below.
static void area_below_4_gib(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        set_cma_option(i ? "512M" : "64M");
        open_tree(2, 2);
        begin("memory@40000000");
        text("device_type", "memory");
        WORDS("reg", 0, 0x40000000, 0, 0x10000000, 1, 0, 0, 0x40000000);
        end();
        assert_true(build());
        expect_area(i ? 0x120000000 : 0x4c000000, i ? 0x20000000 : 0x4000000);
    }
}

// ---- The initial archive -----------------------------------------------------------------------

static bool build_with_initrd(uint32_t first, uint32_t last)
{
    paddr_t base;
    uint64_t bytes;
    open_blob();
    fdt_add_reservemap_entry(blob, 0x47000000, 0x5000); // its loader's own
    open_root(1, 1);
    write_memory();
    begin("chosen");
    WORDS("linux,initrd-start", first);
    WORDS("linux,initrd-end", 0, last);
    end();
    open_reserved();
    begin("placed");
    WORDS("size", 0x1000);
    WORDS("alloc-ranges", 0x4ffff000, 0x1000);
    end();
    end();
    assert_true(build());
    bool found = memory_map_initrd(&base, &bytes);
    if (found) {
        assert_int_equal(base, first);
        assert_int_equal(bytes, last - first);
        assert_true(taken(first, last - first));
    }
    return found;
}

static void initial_archive(void **state)
{
    (void)state;
    assert_true(build_with_initrd(0x47000123, 0x47004567));
    assert_true(build_with_initrd(0x4fffff00, 0x50000000)); // where something would be placed
    assert_false(build_with_initrd(0x47000123, 0x47000123));
    assert_false(build_with_initrd(0x47000123, 0x123));
    assert_false(build_with_initrd(0x4fffff00, 0x50000001));
    assert_false(build_with_initrd(0x40100000, 0x40200001));
    assert_false(build_with_initrd(0x4027ffff, 0x40300000));
    assert_false(build_with_initrd(0x48000010, 0x48000020)); // in the tree
    assert_false(build_with_initrd(0x90000000, 0x90001000));
}

// ---- Damaged trees -----------------------------------------------------------------------------

static size_t write_all(void)
{
    open_blob();
    fdt_add_reservemap_entry(blob, 0x41000000, 0x1000);
    open_root(1, 1);
    write_memory();
    memory_node("memory@60000000", 0x60000000, 0x1000000);
    begin("chosen");
    WORDS("linux,initrd-start", 0x47000000);
    WORDS("linux,initrd-end", 0x47100000);
    WORDS("linux,usable-memory-range", 0x40000000, 0x30000000);
    end();
    open_reserved();
    reserved_node("hidden", 0x44000000, 0x100000, true);
    pool_node("pool", 0x45000000, 0x200000, "reusable");
    begin("placed");
    WORDS("size", 0x10000);
    WORDS("alignment", 0x10000);
    WORDS("alloc-ranges", 0x40000000, 0x8000000);
    end();
    end();
    return close_tree();
}

// Whatever the tree says, the image is memory and nobody else's, and so is the area.
static void invariants(void)
{
    paddr_t base = 0;
    uint64_t len;
    assert_true(memblock_is_memory(image_base, IMAGE_BYTES));
    assert_true(taken(image_base, IMAGE_BYTES));
    for (; memblock_next_free(&base, &len); base += len) {
        assert_false(is_own(base, len));
        assert_true(!area_bytes || base + len <= area_base || base >= area_base + area_bytes);
    }
    assert_true(!area_bytes || memblock_is_memory(area_base, area_bytes));
    assert_true(!area_bytes || !is_own(area_base, area_bytes));
}

static void cut_trees(void **state)
{
    (void)state;
    size_t len = write_all();
    char *whole = blob;
    assert_true(build_of(len));
    invariants();
    expect_area(0x45000000, 0x200000);
    for (size_t cut = 0; cut < len; cut++) {
        blob = malloc(cut + 1); // of its own length, for ASan
        memcpy(blob, whole, cut);
        assert_false(build_of(cut));
        free(blob);
    }
    free(whole);
}

static void random_trees(void **state)
{
    uint64_t seed = 3;
    unsigned built = 0;
    (void)state;
    size_t len = write_all();
    char *whole = blob;
    blob = malloc(len);
    for (unsigned round = 0; round < 20000; round++) {
        memcpy(blob, whole, len);
        for (unsigned i = 0; i < 1 + round % 4; i++) {
            uint64_t random = mm_ram_random(&seed);
            blob[random % len] = (char)(random >> 32);
        }
        memory_limit = round % 5 ? 0 : mm_ram_random(&seed) % MIB(512);
        if (build_of(len)) {
            invariants();
            built++;
        }
    }
    assert_true(built > 2000);
    free(blob);
    free(whole);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(example_of_the_reference),
        TEST(other_cells),
        TEST(unsorted_and_senseless),
        TEST(beyond_the_linear_map),
        TEST(no_memory),
        TEST(usable_memory),
        TEST(several_usable_ranges),
        TEST(limit_keeps_the_image),
        TEST(fixed_reservations),
        TEST(reservations_that_cannot_be_read),
        TEST(many_reservations),
        TEST(placed_nodes),
        TEST(area_of_the_tree),
        TEST(area_that_is_not_free),
        TEST(area_that_is_placed),
        TEST(area_of_the_option),
        TEST(area_options_that_make_no_sense),
        TEST(area_below_4_gib),
        TEST(initial_archive),
        TEST(cut_trees),
        TEST(random_trees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

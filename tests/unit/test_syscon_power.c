// SPDX-License-Identifier: BSD-2-Clause
//
// platform/loongson/common/syscon_power: the nodes of both Loongson machines, every way in which
// such nodes can be wrong, and a write that has no effect.
//
// unit-sources: platform/loongson/common/syscon_power.c core/lib/dt.c
// unit-sources: out/deps/libfdt/libfdt/fdt.c out/deps/libfdt/libfdt/fdt_ro.c
// unit-sources: out/deps/libfdt/libfdt/fdt_rw.c out/deps/libfdt/libfdt/fdt_wip.c
// unit-sources: out/deps/libfdt/libfdt/fdt_sw.c out/deps/libfdt/libfdt/fdt_empty_tree.c
// unit-flags: -isystem out/deps/libfdt/libfdt -Wno-sign-compare -Wno-shadow
// unit-flags: -iquote tests/unit/fake_pci

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <libfdt.h>

#include "core/lib/dt.h"
#include "mm/vmalloc.h"
#include "platform/loongson/common/syscon_power.h"
#include "platform/platform.h"

#define PM 0x10080000u
#define PM_BYTES 0x20u

static struct {
    unsigned writes, bytes;
    uintptr_t addr;
    uint64_t value, before; // written; what a read gives
    uint64_t delay_us;
    bool no_map;
} device;

mmio_t ioremap(paddr_t base, uint64_t len)
{
    assert_true(base >= PM && base + len <= PM + PM_BYTES);
    return (mmio_t){device.no_map ? 0 : base};
}
void clock_delay_us(unsigned us);
void clock_delay_us(unsigned us) { device.delay_us += us; }

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes);
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value);

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    (void)addr, (void)bytes;
    return device.before;
}
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    device.writes++;
    device.addr = addr;
    device.bytes = bytes;
    device.value = value;
}

// ---- Trees -----------------------------------------------------------------------------------

static uint64_t blob[256];
static int block, off, reset; // nodes

static void cell(int *node, const char *path, const char *name, uint32_t value)
{
    *node = fdt_path_offset(blob, path);
    assert_int_equal(fdt_setprop_u32(blob, *node, name, value), 0);
}
static void drop(const char *path, const char *name)
{
    assert_int_equal(fdt_delprop(blob, fdt_path_offset(blob, path), name), 0);
}

static void add_method(const char *name, const char *compatible, uint32_t offset, uint32_t value)
{
    int node = fdt_add_subnode(blob, 0, name);
    assert_int_equal(fdt_setprop_string(blob, node, "compatible", compatible), 0);
    assert_int_equal(fdt_setprop_u32(blob, node, "regmap", 8), 0);
    assert_int_equal(fdt_setprop_u32(blob, node, "offset", offset), 0);
    assert_int_equal(fdt_setprop_u32(blob, node, "value", value), 0);
}

static void make_tree(void)
{
    memset(&device, 0, sizeof(device));
    fdt64_t reg[2] = {cpu_to_fdt64(PM), cpu_to_fdt64(PM_BYTES)};
    assert_int_equal(fdt_create_empty_tree(blob, sizeof(blob)), 0);
    block = fdt_add_subnode(blob, 0, "pm");
    assert_int_equal(fdt_setprop(blob, block, "reg", reg, sizeof(reg)), 0);
    assert_int_equal(fdt_setprop_u32(blob, block, "reg-io-width", 1), 0);
    assert_int_equal(fdt_setprop_u32(blob, block, "phandle", 8), 0);
    assert_int_equal(fdt_setprop_u32(blob, 0, "#address-cells", 2), 0);
    assert_int_equal(fdt_setprop_u32(blob, 0, "#size-cells", 2), 0);
    add_method("off", "syscon-poweroff", 0x10, 0xff);
    add_method("again", "syscon-reboot", 0x12, 0x42);
}

static int init(void)
{
    const char *reason;
    assert_int_equal(dt_init(blob, sizeof(blob), &reason), 0);
    return syscon_power_init();
}

static void expect_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    assert_int_equal(device.writes, 1);
    assert_int_equal(device.addr, addr);
    assert_int_equal(device.bytes, bytes);
    assert_int_equal(device.value, value);
    device.writes = 0;
}

// Runs first: nothing is known yet.
static void test_none(void **state)
{
    (void)state;
    assert_int_equal(platform_power_off(), -ENODEV);
    assert_int_equal(platform_reset(), -ENODEV);
    assert_int_equal(syscon_power_init(), -ENODEV);
}

static void test_bytes(void **state)
{
    (void)state;
    make_tree();
    assert_int_equal(init(), 0);
    assert_int_equal(platform_power_off(), -EIO); // the model stays on
    expect_write(PM + 0x10, 1, 0xff);
    assert_true(device.delay_us >= 100000 && device.delay_us <= 10000000);
    assert_int_equal(platform_reset(), -EIO);
    expect_write(PM + 0x12, 1, 0x42);
}

static void test_widths_and_masks(void **state)
{
    (void)state;
    make_tree();
    cell(&block, "/pm", "reg-io-width", 4);
    cell(&off, "/off", "mask", 0xff0);
    cell(&reset, "/again", "offset", 0x1c);
    assert_int_equal(init(), 0);
    device.before = 0x12345678;
    assert_int_equal(platform_power_off(), -EIO);
    expect_write(PM + 0x10, 4, 0x123450f8 | (0x678 & 0xf) | 0xf0);
    assert_int_equal(platform_reset(), -EIO);
    expect_write(PM + 0x1c, 4, 0x42);
    make_tree();
    cell(&block, "/pm", "reg-io-width", 2);
    drop("/off", "value"); // the old form
    cell(&off, "/off", "mask", 0x5555);
    assert_int_equal(init(), 0);
    assert_int_equal(platform_power_off(), -EIO);
    expect_write(PM + 0x10, 2, 0x5555);
    make_tree();
    drop("/pm", "reg-io-width"); // 32 bits then
    cell(&reset, "/again", "offset", 0x14);
    assert_int_equal(init(), 0);
    assert_int_equal(platform_power_off(), -EIO);
    expect_write(PM + 0x10, 4, 0xff);
}

// One method is wrong, the other works.
static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *path, *name;
        uint32_t value;
    } wrong[] = {
        {"/off", "offset", PM_BYTES}, {"/off", "offset", UINT32_MAX},
        {"/off", "regmap", 9},        {"/off", "regmap", 0},
        {"/pm", "reg-io-width", 3},   {"/pm", "reg-io-width", 0},
        {"/pm", "reg-io-width", 8},   {"/pm", "reg-io-width", UINT32_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        make_tree();
        cell(&off, wrong[i].path, wrong[i].name, wrong[i].value);
        assert_int_equal(init(), -EINVAL);
        assert_int_equal(device.writes, 0);
    }
    make_tree();
    cell(&block, "/pm", "reg-io-width", 4);
    assert_int_equal(init(), -EINVAL); // the reset's offset is not aligned to it
    static const char *const needed[] = {"offset", "value"};
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        make_tree();
        drop("/off", needed[i]);
        assert_true(init() < 0);
    }
    make_tree();
    drop("/pm", "reg");
    assert_true(init() < 0);
    make_tree();
    device.no_map = true;
    assert_int_equal(init(), -ENOMEM);
}

static void test_disabled(void **state)
{
    (void)state;
    make_tree();
    assert_int_equal(fdt_setprop_string(blob, fdt_path_offset(blob, "/off"), "status", "disabled"),
                     0);
    assert_int_equal(init(), -ENODEV);
    assert_int_equal(platform_reset(), -EIO);
    expect_write(PM + 0x12, 1, 0x42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),     cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_wrong),    cmocka_unit_test(test_widths_and_masks),
        cmocka_unit_test(test_disabled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
//
// drivers/serial/ns16550 on a model of the chip: layouts of the registers that the tree may name,
// the divisor left alone, output with a limit, input, and an overrun that is seen by output first.
//
// unit-sources: drivers/serial/ns16550.c
// unit-flags: -iquote tests/unit/fake_pci

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/driver.h"
#include "drivers/serial/serial.h"

TABLE_DECLARE(struct serial_driver, serial_driver);

#define BASE 0x1fe001e0u

static struct {
    unsigned shift, width; // what the tree says, or what the chip has
    bool named;            // the tree says it
    unsigned bytes;        // of registers, as the tree says; 0: all that there are
    uint8_t written[8];    // by register
    char out[64];
    unsigned out_len, reads;
    const char *in;
    bool busy, overrun;
} chip;

static const struct dt_node node;

bool dt_has(const struct dt_node *of, const char *name)
{
    assert_ptr_equal(of, &node);
    (void)name;
    return chip.named;
}
int dt_u32(const struct dt_node *of, const char *name, uint32_t *value)
{
    assert_ptr_equal(of, &node);
    *value = strcmp(name, "reg-shift") == 0 ? chip.shift : chip.width;
    return *value == 77 ? -EINVAL : 0;
}
int dt_reg(const struct dt_node *of, unsigned index, paddr_t *base, uint64_t *len)
{
    assert_ptr_equal(of, &node);
    assert_int_equal(index, 0);
    *base = BASE;
    *len = chip.bytes ? chip.bytes : 8u << chip.shift;
    return 0;
}
int serial_probe(const struct dt_node *of)
{
    (void)of;
    return 0;
}

static unsigned register_of(uintptr_t addr, unsigned bytes)
{
    assert_int_equal(bytes, chip.width);
    assert_int_equal((addr - BASE) & ((1u << chip.shift) - 1), 0);
    assert_true(addr >= BASE && (addr - BASE) >> chip.shift < 8);
    return (unsigned)(addr - BASE) >> chip.shift;
}

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes);
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value);

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    unsigned reg = register_of(addr, bytes);
    chip.reads++;
    if (reg == 0)
        return (uint8_t)*chip.in++;
    assert_int_equal(reg, 5);
    uint64_t status = (chip.busy ? 0 : 0x60) | (*chip.in ? 1 : 0) | (chip.overrun ? 2 : 0);
    chip.overrun = false; // reading clears it
    return status;
}

void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    unsigned reg = register_of(addr, bytes);
    bool fifo_changes = reg == 2 && ((value ^ chip.written[2]) & 1);
    if (fifo_changes)
        chip.in = ""; // it is emptied
    chip.written[reg] = (uint8_t)value;
    if (reg < 2)
        assert_false(chip.written[3] & 0x80); // the divisor
    if (reg == 0)
        chip.out[chip.out_len++] = (char)value;
}

static const struct serial_driver *driver;
static const mmio_t regs = {BASE};

static const char *typed_ahead = "";

static int start(unsigned shift, unsigned width, bool named)
{
    memset(&chip, 0, sizeof(chip));
    chip.shift = shift;
    chip.width = width;
    chip.named = named;
    chip.in = typed_ahead;
    chip.written[3] = 0x80; // as a loader may leave it
    driver = __start_table_serial_driver;
    return driver->init(regs, &node);
}

static void test_layouts(void **state)
{
    (void)state;
    static const struct {
        unsigned shift, width;
        int result;
    } layouts[] = {{0, 1, 0},
                   {2, 1, 0},
                   {2, 4, 0},
                   {3, 4, 0},
                   {0, 4, -EINVAL},
                   {4, 1, -EINVAL},
                   {0, 2, -EINVAL},
                   {0, 0, -EINVAL},
                   {77, 1, -EINVAL},
                   {0, 77, -EINVAL},
                   {UINT32_MAX, 1, -EINVAL}};
    for (size_t i = 0; i < ARRAY_SIZE(layouts); i++) {
        assert_int_equal(start(layouts[i].shift, layouts[i].width, true), layouts[i].result);
        if (layouts[i].result)
            continue;
        assert_true(driver->put(regs, 'a'));
        assert_string_equal(chip.out, "a");
    }
    assert_int_equal(start(0, 1, false), 0);
    chip.bytes = 8; // which these registers exceed
    assert_int_equal(driver->init(regs, &node), 0);
    chip.shift = 3;
    chip.named = true;
    assert_int_equal(driver->init(regs, &node), -EINVAL);
}

static void test_both_names(void **state)
{
    (void)state;
    unsigned seen = 0;
    TABLE_FOREACH (struct serial_driver, entry, serial_driver)
        seen |= strcmp(entry->compatible, "ns16550a") == 0 ? 1u : 2u;
    assert_int_equal(seen, 3);
}

static void test_start(void **state)
{
    (void)state;
    assert_int_equal(start(0, 1, false), 0);
    assert_int_equal(chip.written[3], 3);        // 8N1
    assert_int_equal(chip.written[1], 0);        // no interrupt
    assert_int_equal(chip.written[2] & 1, 1);    // FIFO
    assert_int_equal(chip.written[4] & 0x18, 8); // line open, no loop
    driver->rx_enable(regs, true);
    assert_int_equal(chip.written[1], 1);
    driver->rx_enable(regs, false);
    assert_int_equal(chip.written[1], 0);
}

static void test_stuck(void **state)
{
    (void)state;
    assert_int_equal(start(0, 1, false), 0);
    chip.busy = true;
    assert_false(driver->put(regs, 'a'));
    assert_true(chip.reads <= 1000000);
    assert_int_equal(chip.out_len, 0);
}

static void test_input(void **state)
{
    (void)state;
    bool overrun = false;
    assert_int_equal(start(0, 1, false), 0);
    assert_int_equal(driver->rx_get(regs, &overrun), -EAGAIN);
    chip.in = "a\xff";
    assert_int_equal(driver->rx_get(regs, &overrun), 'a');
    assert_int_equal(driver->rx_get(regs, &overrun), 0xff);
    assert_int_equal(driver->rx_get(regs, &overrun), -EAGAIN);
    assert_false(overrun);
}

static void test_typed_ahead(void **state)
{
    (void)state;
    bool overrun = false;
    typed_ahead = "p";
    assert_int_equal(start(0, 1, false), 0);
    typed_ahead = "";
    chip.in = "ing";
    assert_int_equal(driver->rx_get(regs, &overrun), 'p');
    assert_int_equal(driver->rx_get(regs, &overrun), 'i');
    assert_int_equal(start(0, 1, false), 0);
    assert_int_equal(driver->rx_get(regs, &overrun), -EAGAIN);
}

static void test_overrun(void **state)
{
    (void)state;
    bool overrun = false;
    assert_int_equal(start(0, 1, false), 0);
    chip.in = "abc";
    chip.overrun = true;
    assert_int_equal(driver->rx_get(regs, &overrun), 'a');
    assert_true(overrun);
    overrun = false;
    chip.overrun = true;
    assert_true(driver->put(regs, 'x')); // takes it away from the status
    assert_int_equal(driver->rx_get(regs, &overrun), 'b');
    assert_true(overrun);
    overrun = false;
    assert_int_equal(driver->rx_get(regs, &overrun), 'c');
    assert_false(overrun);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts), cmocka_unit_test(test_both_names),
        cmocka_unit_test(test_start),   cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_input),   cmocka_unit_test(test_typed_ahead),
        cmocka_unit_test(test_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

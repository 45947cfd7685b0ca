// SPDX-License-Identifier: BSD-2-Clause
//
// platform/loongson/loongson3/liointc on a model of its registers: access widths, routing to the
// one output that the tree names, masks, and the dispatch of what is pending.
//
// unit-sources: platform/loongson/loongson3/liointc.c
// unit-flags: -iquote tests/unit/fake_pci

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "core/irq/irqchip.h"
#include "mm/vmalloc.h"

TABLE_DECLARE(struct irqchip_driver, irqchip);

#define BASE 0x3ff01400u

static struct {
    uint8_t route[32];
    uint32_t enabled, pins;
    uint32_t line; // in the tree
} chip;

static struct irq_domain *domain;
static irq_handler_t cascade;
static uint32_t handled[64];
static unsigned handled_count;

static const struct dt_node node = {.name = "liointc"};

int dt_reg(const struct dt_node *of, unsigned index, paddr_t *base, uint64_t *len)
{
    (void)of, (void)index;
    *base = BASE;
    *len = 0x60;
    return 0;
}
int dt_u32(const struct dt_node *of, const char *name, uint32_t *value)
{
    (void)of;
    assert_string_equal(name, "interrupts");
    *value = chip.line;
    return 0;
}
mmio_t ioremap(paddr_t base, uint64_t len)
{
    (void)len;
    return (mmio_t){base};
}
int irq_from_dt(const struct dt_node *of, unsigned index)
{
    (void)of, (void)index;
    return 1;
}
int irq_domain_add(struct irq_domain *added)
{
    domain = added;
    return 0;
}
int irq_request(int irq, irq_handler_t handler, void *arg, const char *name)
{
    (void)irq, (void)arg, (void)name;
    cascade = handler;
    return 0;
}
void irq_handle(struct irq_domain *of, uint32_t hwirq)
{
    assert_ptr_equal(of, domain);
    handled[handled_count++] = hwirq;
    domain->chip->eoi(domain, hwirq);
}

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes);
void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value);

uint64_t fake_mmio_read(uintptr_t addr, unsigned bytes)
{
    assert_true(addr == BASE + 0x40 || addr == BASE + 0x24);
    assert_int_equal(bytes, 4);
    if (addr == BASE + 0x24)
        return chip.enabled;
    uint32_t pending = 0;
    for (unsigned i = 0; i < 32; i++)
        pending |= chip.route[i] & 1 ? chip.pins & chip.enabled & 1u << i : 0;
    return pending;
}

void fake_mmio_write(uintptr_t addr, unsigned bytes, uint64_t value)
{
    if (addr < BASE + 32) {
        assert_int_equal(bytes, 1);
        chip.route[addr - BASE] = (uint8_t)value;
        return;
    }
    assert_int_equal(bytes, 4);
    assert_true(addr == BASE + 0x28 || addr == BASE + 0x2c);
    if (addr == BASE + 0x28)
        chip.enabled |= (uint32_t)value;
    else
        chip.enabled &= ~(uint32_t)value;
}

static int start(uint32_t line)
{
    memset(&chip, 0, sizeof(chip));
    chip.enabled = 0xffff; // as firmware may leave it
    chip.line = line;
    handled_count = 0;
    return __start_table_irqchip->init(&node);
}

static void test_outputs(void **state)
{
    (void)state;
    static const uint8_t routes[] = {0x11, 0x21, 0x41, 0x81};
    for (uint32_t line = 2; line < 6; line++) {
        assert_int_equal(start(line), 0);
        assert_int_equal(chip.enabled, 0);
        assert_int_equal(domain->chip->set_trigger(domain, 5, IRQ_LEVEL_HIGH), 0);
        assert_int_equal(chip.route[5], routes[line - 2]);
    }
    assert_int_equal(start(1), -EINVAL);
    assert_int_equal(start(6), -EINVAL);
    assert_int_equal(start(UINT32_MAX), -EINVAL);
}

static void test_specifiers(void **state)
{
    (void)state;
    uint32_t hwirq;
    enum irq_trigger trigger;
    assert_int_equal(start(2), 0);
    assert_int_equal(domain->translate(domain, (uint32_t[]){31, 4}, 2, &hwirq, &trigger), 0);
    assert_int_equal(hwirq, 31);
    assert_int_equal(trigger, IRQ_LEVEL_HIGH);
    static const uint32_t wrong[][2] = {{32, 4}, {UINT32_MAX, 4}, {0, 1}, {0, 8}, {0, 0}};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(domain->translate(domain, wrong[i], 2, &hwirq, &trigger), -EINVAL);
    assert_int_equal(domain->translate(domain, (uint32_t[]){0, 4}, 1, &hwirq, &trigger), -EINVAL);
    assert_int_equal(domain->chip->set_trigger(domain, 0, IRQ_EDGE_RISING), -EINVAL);
}

static void test_dispatch(void **state)
{
    (void)state;
    assert_int_equal(start(2), 0);
    for (uint32_t i = 0; i < 32; i++)
        assert_int_equal(domain->chip->set_trigger(domain, i, IRQ_LEVEL_HIGH), 0);
    domain->chip->unmask(domain, 0);
    domain->chip->unmask(domain, 4);
    domain->chip->unmask(domain, 31);
    assert_int_equal(chip.enabled, 0x80000011);
    assert_int_equal(cascade(NULL), IRQ_NONE);
    chip.pins = 0x80000013; // source 1 is masked
    assert_int_equal(cascade(NULL), IRQ_HANDLED);
    assert_int_equal(handled_count, 3);
    assert_int_equal(handled[0], 0);
    assert_int_equal(handled[1], 4);
    assert_int_equal(handled[2], 31);
    domain->chip->mask(domain, 31);
    assert_int_equal(chip.enabled, 0x11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_specifiers),
        cmocka_unit_test(test_dispatch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
//
// The generic "syscon" power methods (Devicetree bindings power/reset/syscon-poweroff and
// syscon-reboot, mfd/syscon): a node names a register block (`regmap`, or its parent), an offset in
// it, and the value to write there under a mask.

#include "platform/loongson/common/syscon_power.h"

#include "core/lib/dt.h"
#include "core/time/clock.h"
#include "mm/vmalloc.h"
#include "platform/platform.h"

// How long a write may take to have its effect: a hypervisor's other threads carry it out.
#define EFFECT_MS 1000

struct power_method {
    mmio_t reg; // invalid: the machine has no such method
    unsigned width;
    uint32_t mask, value;
};

static struct power_method off, reset;

// A node without `value` is of the old form, where `mask` is what to write.
static int read_value(const struct dt_node *node, struct power_method *method)
{
    bool has_value = dt_has(node, "value"), has_mask = dt_has(node, "mask");
    method->mask = UINT32_MAX;
    if (!has_value)
        return dt_u32(node, "mask", &method->value);
    if (dt_u32(node, "value", &method->value))
        return -EINVAL;
    return has_mask ? dt_u32(node, "mask", &method->mask) : 0;
}

static const struct dt_node *regmap_of(const struct dt_node *node)
{
    uint32_t phandle;
    if (!dt_has(node, "regmap"))
        return dt_parent(node);
    return dt_u32(node, "regmap", &phandle) ? NULL : dt_by_phandle(phandle);
}

static bool width_is_known(uint32_t width) { return width == 1 || width == 2 || width == 4; }

// The register must lie whole and aligned in the block.
static int map_register(const struct dt_node *block, uint32_t offset, struct power_method *method)
{
    paddr_t base;
    uint64_t len;
    uint32_t width = 4;
    int err = dt_reg(block, 0, &base, &len);
    if (err)
        return err;
    if (dt_has(block, "reg-io-width") && dt_u32(block, "reg-io-width", &width))
        return -EINVAL;
    if (!width_is_known(width) || !IS_ALIGNED(base + offset, (paddr_t)width) || len < width ||
        offset > len - width)
        return -EINVAL;
    mmio_t reg = ioremap(base + offset, width);
    if (!mmio_valid(reg))
        return -ENOMEM;
    method->width = width;
    method->reg = reg;
    return 0;
}

static int find_method(const char *compatible, struct power_method *method)
{
    const struct dt_node *node = NULL;
    do {
        node = dt_by_compatible(node, compatible);
    } while (node && !dt_is_available(node));
    if (!node)
        return -ENODEV;
    const struct dt_node *block = regmap_of(node);
    uint32_t offset;
    if (!block || dt_u32(node, "offset", &offset) || read_value(node, method))
        return -EINVAL;
    return map_register(block, offset, method);
}

int syscon_power_init(void)
{
    int off_err = find_method("syscon-poweroff", &off);
    int reset_err = find_method("syscon-reboot", &reset);
    return off_err ? off_err : reset_err;
}

static uint32_t register_read(const struct power_method *method)
{
    if (method->width == 1)
        return mmio_read8(method->reg, 0);
    return method->width == 2 ? mmio_read16(method->reg, 0) : mmio_read32(method->reg, 0);
}

static void register_write(const struct power_method *method, uint32_t value)
{
    if (method->width == 1)
        mmio_write8(method->reg, 0, (uint8_t)value);
    else if (method->width == 2)
        mmio_write16(method->reg, 0, (uint16_t)value);
    else
        mmio_write32(method->reg, 0, value);
}

static int carry_out(const struct power_method *method)
{
    if (!mmio_valid(method->reg))
        return -ENODEV;
    uint32_t kept = method->mask == UINT32_MAX ? 0 : register_read(method) & ~method->mask;
    register_write(method, kept | (method->value & method->mask));
    for (int ms = 0; ms < EFFECT_MS; ms++)
        clock_delay_us(1000);
    return -EIO;
}

int platform_power_off(void) { return carry_out(&off); }
int platform_reset(void) { return carry_out(&reset); }

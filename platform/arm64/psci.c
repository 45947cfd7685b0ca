// SPDX-License-Identifier: BSD-2-Clause
//
// PSCI (Arm DEN0022): power off and reset through the hypervisor (hvc) or firmware (smc), as the
// device tree's psci node says.

#include "core/lib/dt.h"
#include "platform/arm64/internal.h"
#include "platform/platform.h"

#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_SYSTEM_RESET 0x84000009

static enum { CONDUIT_NONE, CONDUIT_HVC, CONDUIT_SMC } conduit;

int psci_init(void)
{
    static const char *const names[] = {"arm,psci-1.0", "arm,psci-0.2"};
    const struct dt_node *node = NULL;
    for (size_t i = 0; !node && i < ARRAY_SIZE(names); i++)
        node = dt_by_compatible(NULL, names[i]);
    const char *method = node ? dt_string(node, "method") : NULL;
    if (!method)
        return -ENODEV;
    if (method[0] == 'h')
        conduit = CONDUIT_HVC;
    else if (method[0] == 's')
        conduit = CONDUIT_SMC;
    else
        return -EINVAL;
    return 0;
}

// SMC calling convention (DEN0028): function in w0, result in x0, x1-x17 may change.
static long psci_call(uint32_t function)
{
    register uint64_t x0 __asm__("x0") = function;
    if (conduit == CONDUIT_HVC)
        __asm__ volatile("hvc #0"
                         : "+r"(x0)
                         :
                         : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
                           "x12", "x13", "x14", "x15", "x16", "x17", "memory");
    else
        __asm__ volatile("smc #0"
                         : "+r"(x0)
                         :
                         : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11",
                           "x12", "x13", "x14", "x15", "x16", "x17", "memory");
    return (long)x0;
}

static int psci_system(uint32_t function)
{
    if (conduit == CONDUIT_NONE)
        return -ENODEV;
    (void)psci_call(function); // does not return if it works
    return -EIO;
}

int platform_power_off(void) { return psci_system(PSCI_SYSTEM_OFF); }
int platform_reset(void) { return psci_system(PSCI_SYSTEM_RESET); }

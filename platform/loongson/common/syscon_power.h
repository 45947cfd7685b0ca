// SPDX-License-Identifier: BSD-2-Clause
//
// Power off and reset by a write to a system-control register that the device tree names.
// Implements platform_power_off() and platform_reset() of platform/platform.h.

#pragma once

// Finds and maps both registers. From platform_init (needs ioremap), once. 0, or for the first of
// the two that is missing or unusable -ENODEV, -EINVAL, -ENOMEM; the other one works all the same.
int syscon_power_init(void);

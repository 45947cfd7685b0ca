// SPDX-License-Identifier: BSD-2-Clause
//
// The compiler's stack protector: its guard value and what happens when a frame was overwritten.

#pragma once

// Seeds the guard from the device tree's /chosen rng-seed and the counter. Once, from a function
// that never returns, before threads exist: frames with the old value must not return any more.
void stack_protector_seed(void);

// SPDX-License-Identifier: BSD-2-Clause
//
// TLB invalidation CPU by CPU: no instruction reaches another one's (platform.h has the rules).

#pragma once

#include "core/lib/types.h"

// Drops [va, va+len) from this CPU's TLB, with what is the other half of its entries.
void loongson_tlb_drop(uintptr_t va, uint64_t len);

// Makes all other CPUs call loongson_tlb_drop, by interrupt, and waits until each has; NULL while
// there is only one. Two CPUs may ask each other at the same time: who waits must answer meanwhile.
extern void (*loongson_tlb_shootdown)(uintptr_t va, uint64_t len);

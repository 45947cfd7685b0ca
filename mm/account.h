// SPDX-License-Identifier: BSD-2-Clause
//
// Accounts: which component holds how much memory, and how much it may hold. A component defines
// its account and adds it to the flags of its allocations:
//
//     static MEM_ACCOUNT(routes, "routes");
//     kmalloc(bytes, GFP_KERNEL | GFP_ACCOUNT(routes));
//
// Charged are pages, when they leave the page allocator for the component: blocks, areas of
// vmalloc, and the slabs of its own kmalloc classes (each account has a set, so that kfree knows
// whose an object was). What names no account belongs to "kernel". The boot option
// `memlimit=NAME:BYTES[,...]` sets limits; over its limit a component gets NULL and nobody else
// notices.
//
// Context: any, but for account_at, which is for threads.

#pragma once

#include <assert.h>
#include <stdatomic.h>

#include "mm/gfp.h"

struct mem_account {
    const char *name;        // one word
    uint64_t limit;          // bytes, 0: none; set before the first charge
    _Atomic uint64_t used;   // bytes
    _Atomic uint64_t peak;   // the most that `used` ever was
    _Atomic uint64_t denied; // requests refused for the limit
};

static_assert(sizeof(struct mem_account) == 40, "build/image.ld counts them");

// A linker-section table; index 0 is not in it: the kernel's own.
#define MEM_ACCOUNT(var, name)       \
    struct mem_account account_##var \
        __attribute__((section("table_mem_account"), used, aligned(8))) = {name, 0, 0, 0, 0}
#define DECLARE_MEM_ACCOUNT(var) extern struct mem_account account_##var

extern struct mem_account __start_table_mem_account[] __attribute__((visibility("hidden")));
extern struct mem_account __stop_table_mem_account[] __attribute__((visibility("hidden")));

#define ACCOUNTS_MAX 32 // the kernel's included; build/image.ld holds the table to it

#define GFP_ACCOUNT(var) \
    ((unsigned)(&account_##var - __start_table_mem_account + 1) << GFP_ACCOUNT_SHIFT)

static inline unsigned gfp_account(unsigned gfp) { return gfp >> GFP_ACCOUNT_SHIFT; }

// Charges the account of the flags. -ENOMEM: over its limit; nothing is charged.
int account_charge(unsigned account, uint64_t bytes);
void account_uncharge(unsigned account, uint64_t bytes);

// The index-th account, "kernel" first; NULL past the last one.
const struct mem_account *account_at(unsigned index);

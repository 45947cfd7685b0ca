// SPDX-License-Identifier: BSD-2-Clause
//
// The table of allocation sites and the decision which request fails (contract in fault_inject.h).
// In debug images only. A site's place in the table follows from its address and is taken once, by
// compare-and-exchange, so that any context on any CPU can count without a lock.

#include "mm/fault_inject.h"

#include <stdatomic.h>
#include <string.h>

#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"

struct site {
    _Atomic(uintptr_t) address; // 0: free
    _Atomic uint64_t asked, failed;
    _Atomic unsigned round; // the last arming in which it failed
};

static struct site sites[FAULT_SITES_MAX];
static _Atomic uint64_t unknown;
static _Atomic uint64_t requests; // since arming

static _Atomic unsigned armed_mode;
static _Atomic uint64_t armed_number;
static _Atomic unsigned armed_round; // counts armings

// Instructions have four bytes, so the lowest bits of addresses say nothing; the multiplier is
// 2^64 divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4).
static unsigned first_place(uintptr_t address)
{
    return (unsigned)((address >> 2) * 0x9e3779b97f4a7c15ULL >> 56) % FAULT_SITES_MAX;
}

static struct site *find_site(uintptr_t address)
{
    unsigned place = first_place(address);
    for (unsigned i = 0; i < FAULT_SITES_MAX; i++) {
        struct site *site = &sites[(place + i) % FAULT_SITES_MAX];
        uintptr_t there = 0;
        if (atomic_compare_exchange_strong(&site->address, &there, address) || there == address)
            return site;
    }
    return NULL;
}

static bool shall_fail(struct site *site)
{
    uint64_t number = armed_number;
    switch (armed_mode) {
    case FAULT_ONCE: {
        unsigned round = armed_round;
        return atomic_exchange(&site->round, round) != round;
    }
    case FAULT_EVERY: // 0: of another mode, armed between our two looks
        return atomic_fetch_add(&requests, 1) % MAX(number, 1) == number - 1;
    case FAULT_NTH:
        return atomic_fetch_add(&requests, 1) == number - 1;
    case FAULT_SITE:
        return (uint64_t)(site - sites) == number;
    default:
        return false;
    }
}

bool fault_inject(const void *address)
{
    struct site *site = find_site((uintptr_t)address);
    if (!site) {
        unknown++;
        return false;
    }
    site->asked++;
    if (!shall_fail(site))
        return false;
    site->failed++;
    return true;
}

void fault_inject_arm(enum fault_mode mode, uint64_t number)
{
    armed_mode = FAULT_OFF;
    armed_number = mode == FAULT_EVERY ? MAX(number, 1) : number; // it divides
    requests = 0;
    armed_round++;
    armed_mode = mode;
}

bool fault_inject_site(unsigned number, struct fault_site *site)
{
    if (number >= FAULT_SITES_MAX || !sites[number].address)
        return false;
    site->site = (const void *)(uintptr_t)sites[number].address;
    site->asked = sites[number].asked;
    site->failed = sites[number].failed;
    return true;
}

uint64_t fault_inject_unknown(void) { return unknown; }

// `failalloc=`: from the first allocation on, so that the start fails where it can.
static int set_failalloc(const char *value)
{
    bool nth = strncmp(value, "nth:", 4) == 0;
    uint64_t number;
    if (strcmp(value, "once") == 0) {
        fault_inject_arm(FAULT_ONCE, 0);
        return 0;
    }
    if ((!nth && strncmp(value, "every:", 6) != 0) ||
        parse_u64(strchr(value, ':') + 1, SIZE_MAX, &number) || !number)
        return -EINVAL;
    fault_inject_arm(nth ? FAULT_NTH : FAULT_EVERY, number);
    return 0;
}
BOOT_PARAM(param_failalloc, "failalloc", set_failalloc);

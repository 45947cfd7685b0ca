// SPDX-License-Identifier: BSD-2-Clause
//
// Allocation failures on purpose, in debug builds: each site that asks for memory (the return
// address of the allocator's caller) can be made to get NULL, to see that the rest keeps running.
// Armed and read on the console: `debug allocations fail once|every N|nth N|site NUMBER|off`, `show
// allocation-sites`; before that by the boot option `failalloc=once|every:N|nth:N`.

#pragma once

#include "core/lib/types.h"

#ifdef DEBUG
// True if this request shall fail. Any context. `site`: __builtin_return_address(0) of the public
// allocation function.
bool fault_inject(const void *site);
#else
static inline bool fault_inject(const void *site)
{
    (void)site;
    return false;
}
#endif

#define FAULT_INJECT() unlikely(fault_inject(__builtin_return_address(0)))

// What follows exists in debug builds only (build/rules.mk: debug_only).

#define FAULT_SITES_MAX 256 // what asks from still other places is counted, and never fails

enum fault_mode {
    FAULT_OFF,
    FAULT_ONCE,  // each site's first request after arming
    FAULT_EVERY, // every number-th request of all
    FAULT_NTH,   // the number-th request after arming, and no other
    FAULT_SITE,  // all of site `number`
};
// Arms, or disarms; what was armed before is forgotten. Any context.
void fault_inject_arm(enum fault_mode mode, uint64_t number);

struct fault_site {
    const void *site;
    uint64_t asked, failed; // since boot
};
// The site with this number, fixed until the next boot; false if there is none (yet), or past
// FAULT_SITES_MAX.
bool fault_inject_site(unsigned number, struct fault_site *site);
// Requests that found the table full.
uint64_t fault_inject_unknown(void);

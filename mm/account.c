// SPDX-License-Identifier: BSD-2-Clause
//
// Accounts of memory (account.h), without a lock: one compare-and-swap a charge. The kernel's own
// account costs nothing while memory is handed out: what it holds is worked out when somebody
// looks, as all that is in use but for what the others hold.

#include "mm/account.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/lib/bootparam.h"
#include "core/lib/fmt.h"
#include "core/lib/types.h"
#include "mm/cma.h"
#include "mm/page_alloc.h"

#define LIMIT_TEXT_MAX 64 // of one NAME:BYTES

static struct mem_account kernel_account = {.name = "kernel"};

static unsigned account_count(void)
{
    size_t count = __stop_table_mem_account - __start_table_mem_account;
    return MIN(count, ACCOUNTS_MAX - 1);
}

// NULL for the kernel's own and for what is none: neither is charged.
static struct mem_account *charged_account(unsigned index)
{
    return index && index <= account_count() ? &__start_table_mem_account[index - 1] : NULL;
}

static void raise_peak(struct mem_account *account, uint64_t used)
{
    uint64_t peak = atomic_load_explicit(&account->peak, memory_order_relaxed);
    while (used > peak &&
           !atomic_compare_exchange_weak_explicit(&account->peak, &peak, used, memory_order_relaxed,
                                                  memory_order_relaxed)) {
    }
}

int account_charge(unsigned index, uint64_t bytes)
{
    struct mem_account *account = charged_account(index);
    if (!account)
        return 0;
    // Never above the limit, not even for a moment: others' requests would be refused for nothing.
    uint64_t used = atomic_load_explicit(&account->used, memory_order_relaxed);
    do {
        if (account->limit && (used > account->limit || bytes > account->limit - used)) {
            atomic_fetch_add_explicit(&account->denied, 1, memory_order_relaxed);
            return -ENOMEM;
        }
    } while (!atomic_compare_exchange_weak_explicit(&account->used, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    raise_peak(account, used + bytes);
    return 0;
}

void account_uncharge(unsigned index, uint64_t bytes)
{
    struct mem_account *account = charged_account(index);
    if (account)
        atomic_fetch_sub_explicit(&account->used, bytes, memory_order_relaxed);
}

// The kernel's peak is the highest that anybody saw.
static void work_out_kernel(void)
{
    struct page_stats stats;
    struct cma_stats area; // charged as well, but none of the page allocator's
    page_get_stats(&stats);
    cma_get_stats(&area);
    uint64_t in_use = stats.total_bytes - stats.free_bytes + area.used, others = 0;
    for (unsigned i = 1; i <= account_count(); i++)
        others += atomic_load_explicit(&charged_account(i)->used, memory_order_relaxed);
    uint64_t used = in_use > others ? in_use - others : 0;
    atomic_store_explicit(&kernel_account.used, used, memory_order_relaxed);
    raise_peak(&kernel_account, used);
}

const struct mem_account *account_at(unsigned index)
{
    if (index)
        return charged_account(index);
    work_out_kernel();
    return &kernel_account;
}

// ---- memlimit= -------------------------------------------------------------------------------

static struct mem_account *find_account(const char *name)
{
    for (unsigned i = 1; i <= account_count(); i++) {
        if (strcmp(charged_account(i)->name, name) == 0)
            return charged_account(i);
    }
    return NULL;
}

// One NAME:BYTES, which it cuts in two.
static int read_limit(char *text, struct mem_account **account, uint64_t *bytes)
{
    char *colon = strchr(text, ':');
    if (!colon || parse_bytes(colon + 1, bytes) || !*bytes) {
        log_warn("memlimit: '%s' is not NAME:BYTES", text);
        return -EINVAL;
    }
    *colon = '\0';
    *account = find_account(text);
    if (*account)
        return 0;
    log_warn("memlimit: no component that can be limited is named '%s'", text);
    return -ENOENT;
}

static int walk_limits(const char *value, bool apply)
{
    char text[LIMIT_TEXT_MAX];
    struct mem_account *account;
    uint64_t bytes;
    for (;;) {
        const char *comma = strchr(value, ',');
        size_t len = comma ? (size_t)(comma - value) : strlen(value);
        if (len >= sizeof(text))
            return -EINVAL;
        memcpy(text, value, len);
        text[len] = '\0';
        int err = read_limit(text, &account, &bytes);
        if (err)
            return err;
        if (apply)
            account->limit = bytes;
        if (!comma)
            return 0;
        value = comma + 1;
    }
}

// All of it or, if one item is wrong, nothing.
static int set_limits(const char *value)
{
    int err = walk_limits(value, false);
    return err ? err : walk_limits(value, true);
}
BOOT_PARAM(param_memlimit, "memlimit", set_limits);

// SPDX-License-Identifier: BSD-2-Clause
//
// The table of next hops. An index is given out again only after a grace period, since a reader
// may hold it between its FIB lookup and its look into the adjacency table.

#include "net/nexthop.h"

#include <string.h>

#include "core/debug/panic.h"
#include "core/irq/softirq.h"
#include "mm/slab.h"
#include "net/fib4.h"
#include "net/interface.h"
#include "net/neigh_table.h"
#include "net/route_memory.h"

#define TABLE_START 64
#define HASH_BUCKETS 256

struct adjacency **adjacency_table;

static struct nexthop **nexthops; // by index, as long as the adjacency table
static uint32_t table_size, free_hint;
static struct nexthop *hash[HASH_BUCKETS];

// What a packet meets whose destination has no route, and an index that is not in use.
static struct adjacency no_route = {.kind = ADJ_NONE};

static unsigned hash_of(enum adjacency_kind kind, const struct port *port, uint32_t gateway)
{
    uint32_t key = gateway + kind * 0x01000193u + (port ? port->number + 1u : 0) * 0x10000u;
    return key * 0x9e3779b1u >> 24;
}

// Puts the longer table in the place of the old one, which the caller frees. Softirqs and other
// threads publish at any time: they must not get between copy and swap, or what they store is lost
// and the new table keeps what they free.
static struct adjacency **table_swap(struct adjacency **table, uint32_t size)
{
    softirq_disable();
    struct adjacency **old = adjacency_table;
    for (uint32_t i = 0; i < size; i++)
        table[i] = i < table_size ? old[i] : &no_route;
    rcu_assign_pointer(adjacency_table, table);
    softirq_enable();
    return old;
}

// Replaces both arrays by longer ones. A FIB entry with a new index must not meet a reader that
// still uses the old table: hence the grace period before the index can get there.
static int grow(void)
{
    uint32_t size = table_size ? MIN(table_size * 2, FIB4_NEXTHOP_MAX + 1u) : TABLE_START;
    if (size == table_size)
        return -ENOSPC;
    struct adjacency **table = kmalloc(size * sizeof(struct adjacency *), GFP_ROUTES);
    struct nexthop **objects = kcalloc(size, sizeof(struct nexthop *), GFP_ROUTES);
    if (!table || !objects) {
        kfree(table);
        kfree(objects);
        return -ENOMEM;
    }
    if (table_size)
        memcpy(objects, nexthops, table_size * sizeof(struct nexthop *));
    kfree(nexthops);
    nexthops = objects;
    struct adjacency **old = table_swap(table, size);
    synchronize_rcu();
    kfree(old);
    table_size = size;
    return 0;
}

static int index_alloc(uint16_t *index)
{
    for (uint32_t i = MAX(free_hint, 1u); i < table_size; i++) {
        if (!nexthops[i]) {
            free_hint = i + 1;
            *index = (uint16_t)i;
            return 0;
        }
    }
    uint32_t first = table_size;
    int err = grow();
    if (err)
        return err;
    free_hint = first + 1;
    *index = (uint16_t)first;
    return 0;
}

void nexthop_publish(struct nexthop *nexthop, struct adjacency *adj)
{
    rcu_assign_pointer(adjacency_table[nexthop->index], adj);
}

void nexthop_unpublish(struct nexthop *nexthop) { nexthop_publish(nexthop, &no_route); }

static int nexthop_create(enum adjacency_kind kind, struct port *port, uint32_t gateway,
                          struct nexthop **out)
{
    struct nexthop *nexthop = kmalloc(sizeof(*nexthop), GFP_ROUTES | GFP_ZERO);
    if (!nexthop)
        return -ENOMEM;
    int err = index_alloc(&nexthop->index);
    if (err)
        goto free_nexthop;
    nexthop->kind = (uint8_t)kind;
    nexthop->port = port;
    nexthop->gateway = gateway;
    nexthop->adj.kind = (uint8_t)kind;
    nexthop->adj.port = port;
    if (kind == ADJ_REWRITE)
        err = neigh_gateway_attach(nexthop); // publishes the neighbour's adjacency
    else
        nexthop_publish(nexthop, &nexthop->adj);
    if (err)
        goto free_nexthop;
    nexthops[nexthop->index] = nexthop;
    *out = nexthop;
    return 0;

free_nexthop:
    free_hint = MIN(free_hint, nexthop->index);
    kfree(nexthop);
    return err;
}

int nexthop_get(enum adjacency_kind kind, struct port *port, uint32_t gateway, struct nexthop **out)
{
    debug_assert(mutex_is_mine(&net_config_lock));
    struct nexthop **bucket = &hash[hash_of(kind, port, gateway)];
    for (struct nexthop *it = *bucket; it; it = it->hash_next) {
        if (it->kind == kind && it->port == port && it->gateway == gateway) {
            it->refs++;
            *out = it;
            return 0;
        }
    }
    int err = nexthop_create(kind, port, gateway, out);
    if (err)
        return err;
    (*out)->refs = 1;
    (*out)->hash_next = *bucket;
    *bucket = *out;
    return 0;
}

void nexthop_put(struct nexthop *nexthop)
{
    if (--nexthop->refs)
        return;
    struct nexthop **link = &hash[hash_of(nexthop->kind, nexthop->port, nexthop->gateway)];
    while (*link != nexthop)
        link = &(*link)->hash_next;
    *link = nexthop->hash_next;
    if (nexthop->neigh)
        neigh_gateway_detach(nexthop);
    else
        nexthop_unpublish(nexthop);
    synchronize_rcu();
    nexthops[nexthop->index] = NULL;
    free_hint = MIN(free_hint, nexthop->index);
    kfree(nexthop);
}

struct nexthop *nexthop_by_index(uint32_t index)
{
    return index < table_size ? nexthops[index] : NULL;
}

bool nexthop_iterate(uint32_t *index, struct nexthop **out)
{
    for (; *index < table_size; (*index)++) {
        if (nexthops[*index]) {
            *out = nexthops[*index];
            return true;
        }
    }
    return false;
}

int nexthop_init(void) { return table_size ? 0 : grow(); }

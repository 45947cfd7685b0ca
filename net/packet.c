// SPDX-License-Identifier: BSD-2-Clause
//
// Packet pools: a stack of pointers per CPU over packets that live in large blocks. The packet
// freed last is handed out first, while its lines are still in the cache. How many packets there
// are is worked out in net/pool.c; the blocks are never given back.
//
// All packets belong to the boot CPU's pool as long as one CPU forwards. packet->pool is set so
// that a CPU which frees a foreign packet can send it home.

#include "net/packet.h"

#include <string.h>

#include "core/debug/panic.h"
#include "mm/account.h"
#include "mm/fault_inject.h"
#include "mm/linear.h"
#include "mm/page_alloc.h"
#include "mm/slab.h"

#define BLOCK_BYTES_MIN KIB(32) // 15 packets; smaller pieces of memory stay to others

static MEM_ACCOUNT(packets, "packets");

struct packet_pool {
    struct packet **stack;
    size_t available, least, total;
    uint64_t exhausted;
};
static DEFINE_PERCPU(struct packet_pool, packet_pool);

struct packet_slot {
    struct packet packet;
    uint8_t buffer[PACKET_BUFFER_BYTES];
};

static void pool_add(struct packet_pool *pool, struct packet_slot *slot)
{
    struct packet *p = &slot->packet;
    memset(p, 0, sizeof(*p));
    // Devices see physical addresses: the linear map's constant distance is the packet's too.
    p->bus_delta = linear_pa(p) - (uintptr_t)p;
    p->pool = pool;
    packet_reset(p);
    pool->stack[pool->total++] = p;
}

// Adds one block's worth of packets, at most `want`: the largest block that `want` fills, so that
// little is left idle behind the last packet. False when no block can be had.
static bool pool_grow(struct packet_pool *pool, size_t want, paddr_t reach)
{
    const unsigned least = page_order_for(BLOCK_BYTES_MIN);
    for (unsigned order = PAGE_MAX_ORDER + 1; order-- > least;) {
        size_t room = (PAGE_SIZE << order) / sizeof(struct packet_slot);
        if (order > least && room > want)
            continue;
        struct packet_slot *slots = dma_page_alloc(order, GFP_KERNEL | GFP_ACCOUNT(packets), reach);
        if (!slots)
            continue;
        for (size_t i = 0; i < MIN(room, want); i++)
            pool_add(pool, &slots[i]);
        return true;
    }
    return false;
}

int packet_pool_init(size_t packets, paddr_t reach)
{
    struct packet_pool *pool = this_cpu_ptr(packet_pool);
    kfree(pool->stack);
    *pool = (struct packet_pool){0};
    pool->stack = kmalloc(packets * sizeof(*pool->stack), GFP_KERNEL | GFP_ACCOUNT(packets));
    if (!pool->stack)
        return -ENOMEM;
    while (pool->total < packets && pool_grow(pool, packets - pool->total, reach))
        ;
    pool->available = pool->least = pool->total;
    if (pool->total)
        return 0;
    kfree(pool->stack);
    pool->stack = NULL;
    return -ENOMEM;
}

unsigned packet_alloc_bulk(struct packet **out, unsigned count)
{
    if (FAULT_INJECT())
        return 0;
    struct packet_pool *pool = this_cpu_ptr(packet_pool);
    if (unlikely(count > pool->available)) {
        count = (unsigned)pool->available;
        pool->exhausted++;
    }
    pool->available -= count;
    if (unlikely(pool->available < pool->least))
        pool->least = pool->available;
    memcpy(out, &pool->stack[pool->available], count * sizeof(*out));
    return count;
}

void packet_free_bulk(struct packet **packets, unsigned count)
{
    struct packet_pool *pool = this_cpu_ptr(packet_pool);
    debug_assert(count <= pool->total - pool->available); // else one was freed twice
    memcpy(&pool->stack[pool->available], packets, count * sizeof(*packets));
    pool->available += count;
}

void packet_pool_get_stats(struct packet_pool_stats *stats)
{
    const struct packet_pool *pool = this_cpu_ptr(packet_pool);
    *stats = (struct packet_pool_stats){pool->total, pool->available, pool->least, pool->exhausted};
}

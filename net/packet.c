// SPDX-License-Identifier: BSD-2-Clause
//
// Packet pools: a stack of pointers per CPU over packets that live in large blocks. The packet
// freed last is handed out first, while its lines are still in the cache.
//
// All packets belong to the boot CPU's pool as long as one CPU forwards. packet->pool is set so
// that a CPU which frees a foreign packet can send it home.

#include "net/packet.h"

#include <string.h>

#include "mm/buddy.h"
#include "mm/linear.h"
#include "mm/slab.h"

#define BLOCK_ORDER_MAX 7 // 512 KiB: 248 packets
#define BLOCK_ORDER_MIN 3 // 32 KiB: 15 packets, when memory is in pieces
#define POOL_MIN 64

struct packet_pool {
    struct packet **stack;
    size_t available, total;
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

// Adds a block's worth of packets, at most `want`; false when no block can be had.
static bool pool_grow(struct packet_pool *pool, size_t want)
{
    for (unsigned order = BLOCK_ORDER_MAX + 1; order-- > BLOCK_ORDER_MIN;) {
        size_t room = (PAGE_SIZE << order) / sizeof(struct packet_slot);
        if (order > BLOCK_ORDER_MIN && room / 2 >= want)
            continue; // a smaller block does
        struct packet_slot *slots = buddy_alloc(order, GFP_KERNEL);
        if (!slots)
            continue;
        for (size_t i = 0; i < MIN(room, want); i++)
            pool_add(pool, &slots[i]);
        return true;
    }
    return false;
}

int packet_pool_init(size_t packets)
{
    struct packet_pool *pool = this_cpu_ptr(packet_pool);
    pool->stack = kmalloc(packets * sizeof(*pool->stack), GFP_KERNEL);
    if (!pool->stack)
        return -ENOMEM;
    while (pool->total < packets && pool_grow(pool, packets - pool->total))
        ;
    pool->available = pool->total;
    return pool->total >= POOL_MIN ? 0 : -ENOMEM;
}

unsigned packet_alloc_bulk(struct packet **out, unsigned count)
{
    struct packet_pool *pool = this_cpu_ptr(packet_pool);
    if (unlikely(count > pool->available)) {
        count = (unsigned)pool->available;
        pool->exhausted++;
    }
    pool->available -= count;
    memcpy(out, &pool->stack[pool->available], count * sizeof(*out));
    return count;
}

void packet_free_bulk(struct packet **packets, unsigned count)
{
    struct packet_pool *pool = this_cpu_ptr(packet_pool);
    memcpy(&pool->stack[pool->available], packets, count * sizeof(*packets));
    pool->available += count;
}

void packet_pool_get_stats(struct packet_pool_stats *stats)
{
    const struct packet_pool *pool = this_cpu_ptr(packet_pool);
    *stats = (struct packet_pool_stats){pool->total, pool->available, pool->exhausted};
}

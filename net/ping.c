// SPDX-License-Identifier: BSD-2-Clause
//
// ICMP echo as a client. Each call has an identifier of its own and waits on a list that ICMP
// input looks through.

#include "net/ping.h"

#include <string.h>

#include "core/irq/softirq.h"
#include "core/lib/list.h"
#include "core/sync/rcu.h"
#include "core/sync/wait.h"
#include "core/time/clock.h"
#include "net/adjacency.h"
#include "net/checksum.h"
#include "net/egress.h"
#include "net/icmp.h"
#include "net/interface.h"
#include "net/ip4.h"
#include "net/neigh_table.h"

#define PAYLOAD_MAX 1400

struct ping_wait {
    struct list link;
    uint16_t id, sequence;
    volatile bool done;
    uint64_t sent_ns;
    struct ping_result *result;
};

static struct spinlock lock = SPINLOCK_INIT; // protects waiting and what is on it
static struct list waiting = LIST_INIT(waiting);
static struct wait_queue answers = WAIT_QUEUE_INIT(answers);
static uint16_t next_ping_id = 1;

void ping_answer(uint32_t from, uint8_t ttl, uint8_t type, uint8_t code, uint16_t id,
                 uint16_t sequence)
{
    struct ping_wait *wait;
    bool found = false;
    spin_lock_bh(&lock);
    list_for_each (wait, &waiting, link) {
        if (wait->id != id || wait->sequence != sequence || wait->done)
            continue;
        *wait->result = (struct ping_result){.from = from,
                                             .rtt_ns = clock_monotonic_ns() - wait->sent_ns,
                                             .ttl = ttl,
                                             .icmp_type = type,
                                             .icmp_code = code};
        wait->done = found = true;
    }
    spin_unlock_bh(&lock);
    if (found)
        wake_all(&answers);
}

// The port that leads to `dst` and the address to use. 0 or the reason. Softirqs disabled.
static int find_source(uint32_t dst, struct port **port, uint32_t *src)
{
    const struct adjacency *adj = adjacency_get(fib4_lookup(&ip4_fib, dst));
    if (!adj->port || adj->kind == ADJ_BROADCAST)
        return -ENETUNREACH;
    *port = adj->port;
    // An address of ours is its own best source.
    *src = adj->kind == ADJ_LOCAL ? dst
                                  : ip4_source_for(adj->port, adj->neigh ? adj->neigh->addr : dst);
    return *src ? 0 : -EADDRNOTAVAIL;
}

static void fill_request(struct packet *p, const struct ping_wait *wait, size_t bytes)
{
    struct icmp_header *icmp = (struct icmp_header *)(ip4_header(p) + 1);
    uint8_t *payload = (uint8_t *)(icmp + 1);
    *icmp = (struct icmp_header){.type = ICMP_ECHO,
                                 .rest = be32_make((uint32_t)wait->id << 16 | wait->sequence)};
    for (size_t i = 0; i < bytes; i++)
        payload[i] = (uint8_t)i;
    icmp->checksum = csum_finish(csum_add(icmp, sizeof(*icmp) + bytes, 0));
}

// Softirqs disabled.
static int send_request(uint32_t dst, size_t bytes, struct ping_wait *wait)
{
    struct port *port;
    uint32_t src;
    int err = find_source(dst, &port, &src);
    if (err)
        return err;
    struct packet *p = packet_alloc();
    if (!p)
        return -ENOMEM;
    packet_reset(p);
    fill_request(p, wait, bytes);
    ip4_write_header(p, src, dst, IP4_ICMP, 0, sizeof(struct icmp_header) + bytes);
    wait->sent_ns = clock_monotonic_ns();
    ip4_output(port, p);
    egress_flush();
    return 0;
}

int ping4(uint32_t dst, uint16_t sequence, size_t bytes, uint64_t timeout_ns,
          struct ping_result *result)
{
    if (bytes > PAYLOAD_MAX)
        return -EINVAL;
    struct ping_wait wait = {.sequence = sequence, .result = result};
    spin_lock_bh(&lock);
    wait.id = next_ping_id++;
    list_add_tail(&waiting, &wait.link);
    spin_unlock_bh(&lock);

    softirq_disable();
    int err = send_request(dst, bytes, &wait);
    softirq_enable();
    if (!err)
        err = wait_event_deadline(&answers, wait.done, clock_monotonic_ns() + timeout_ns);

    spin_lock_bh(&lock);
    list_del(&wait.link);
    spin_unlock_bh(&lock);
    return err;
}

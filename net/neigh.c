// SPDX-License-Identifier: BSD-2-Clause
//
// The neighbour table. States and times follow RFC 4861 section 7.3.2 as far as ARP has them;
// requests go out once a second (RFC 1122 section 2.3.2.1), three times.
//
// Limits: a port keeps at most NEIGH_MAX_PER_PORT answered dynamic entries and UNRESOLVED_MAX
// others. Asking for yet another address forgets the oldest unresolved one, never one that has
// answered, so a scan of a subnet leaves working neighbours alone. Gateways and static entries
// are outside of the limits. The queues of a port's neighbours together hold no more packets than
// the pool has for that (port_waiting_max), so a scan parks nothing that others need.

#include "net/neigh_table.h"

#include <string.h>

#include "core/sync/spinlock.h"
#include "core/time/clock.h"
#include "mm/account.h"
#include "mm/slab.h"
#include "net/arp.h"
#include "net/egress.h"
#include "net/icmp.h"
#include "net/interface.h"
#include "net/ip4.h"
#include "net/nexthop.h"
#include "net/ratelimit.h"

#define UNRESOLVED_MAX 256
#define REQUEST_INTERVAL NSEC_PER_SEC
#define REQUESTS_MAX 3
#define REACHABLE_TIME (60 * NSEC_PER_SEC)
#define STALE_TIME (600 * NSEC_PER_SEC) // unused for this long: forgotten
#define FAILED_TIME (3 * NSEC_PER_SEC)
// Requests for new addresses, so that a scan through us does not become a broadcast storm.
#define GLEAN_RATE 500
#define GLEAN_BURST 300

static MEM_ACCOUNT(neighbours, "neighbours");

struct neigh_port {
    struct list unresolved, confirmed; // oldest first; dynamic entries that are no gateways
    unsigned unresolved_count, confirmed_count;
    unsigned queued; // packets that wait for all its neighbours
    struct token_bucket glean;
};

struct neigh_static {
    struct list link;
    uint32_t addr;
    uint8_t mac[6];
};

struct neigh *neigh_hash[NEIGH_BUCKETS];

static struct spinlock lock = SPINLOCK_INIT; // protects the table and all entries in it
static struct neigh_port port_state[PORT_MAX];
static struct list statics = LIST_INIT(statics); // net_config_lock

static const char *const state_names[] = {
    [NEIGH_INCOMPLETE] = "incomplete", [NEIGH_REACHABLE] = "reachable", [NEIGH_STALE] = "stale",
    [NEIGH_PROBE] = "probe",           [NEIGH_FAILED] = "failed",       [NEIGH_STATIC] = "static",
};

const char *neigh_state_name(enum neigh_state state)
{
    return (unsigned)state < ARRAY_SIZE(state_names) ? state_names[state] : "unknown";
}

static void timer_fired(struct timer *timer);

void neigh_init(void)
{
    for (unsigned i = 0; i < PORT_MAX; i++) {
        list_init(&port_state[i].unresolved);
        list_init(&port_state[i].confirmed);
    }
}

// ---- entries (lock held below, unless stated) ------------------------------------------------

static bool is_resolved(const struct neigh *n) { return n->adj != &n->resolve; }
// Gateways and static entries are on no list: limits and ageing do not remove them.
static bool is_bound(const struct neigh *n) { return n->nexthop || n->state == NEIGH_STATIC; }

static void list_leave(struct neigh *n)
{
    struct neigh_port *state = &port_state[n->port->number];
    if (list_empty(&n->link))
        return;
    list_del(&n->link);
    if (is_resolved(n))
        state->confirmed_count--;
    else
        state->unresolved_count--;
}

static void list_enter(struct neigh *n)
{
    struct neigh_port *state = &port_state[n->port->number];
    if (is_bound(n))
        return;
    if (is_resolved(n)) {
        list_add_tail(&state->confirmed, &n->link);
        state->confirmed_count++;
    } else {
        list_add_tail(&state->unresolved, &n->link);
        state->unresolved_count++;
    }
}

static void adjacency_free(struct rcu_head *head)
{
    kfree(container_of(head, struct adjacency, rcu));
}

// Changes what readers see of an entry: one pointer store for each way to it.
static void publish(struct neigh *n, struct adjacency *adj)
{
    struct adjacency *old = n->adj;
    list_leave(n);
    rcu_assign_pointer(n->adj, adj);
    if (n->nexthop)
        nexthop_publish(n->nexthop, adj);
    list_enter(n);
    if (old && old != &n->resolve && old != adj)
        call_rcu(&old->rcu, adjacency_free);
}

static struct adjacency *rewrite_make(struct neigh *n, const uint8_t *mac)
{
    const unsigned gfp = GFP_ATOMIC | GFP_ZERO | GFP_ACCOUNT(neighbours);
    struct adjacency *adj = kmalloc(sizeof(*adj), gfp);
    if (!adj)
        return NULL;
    uint8_t header[12];
    eth_copy_mac(header, mac);
    eth_copy_mac(header + 6, n->port->mac);
    adj->rewrite0 = load64(header);
    adj->rewrite1 = load32(header + 8);
    adj->max_frame = (uint16_t)(n->port->mtu + ETH_HEADER_BYTES);
    adj->kind = ADJ_REWRITE;
    adj->port = n->port;
    adj->neigh = n;
    return adj;
}

// gfp: GFP_NOWAIT when it is for a packet, which foreign hosts can send many of; GFP_ATOMIC when
// the operator wants it.
static struct neigh *entry_create(struct port *port, uint32_t addr, unsigned gfp)
{
    struct neigh *n = kmalloc(sizeof(*n), gfp | GFP_ZERO | GFP_ACCOUNT(neighbours));
    if (!n)
        return NULL;
    n->addr = addr;
    n->port = port;
    n->state = NEIGH_INCOMPLETE;
    n->resolve = (struct adjacency){.kind = ADJ_RESOLVE, .port = port, .neigh = n};
    n->adj = &n->resolve;
    list_init(&n->link);
    timer_setup(&n->timer, timer_fired);
    struct neigh **bucket = &neigh_hash[neigh_bucket(addr)];
    n->hash_next = *bucket;
    rcu_assign_pointer(*bucket, n);
    return n;
}

static void entry_free(struct rcu_head *head) { kfree(container_of(head, struct neigh, rcu)); }

// The packets that waited, oldest first, now the caller's.
static struct packet *queue_take(struct neigh *n)
{
    struct packet *queue = n->queue;
    n->queue = NULL;
    port_state[n->port->number].queued -= n->queued;
    n->queued = 0;
    return queue;
}

// Takes an entry out of the table. Its packets are dropped: nobody asked long enough for them to
// be worth an error.
static void entry_remove(struct neigh *n)
{
    struct neigh **link = &neigh_hash[neigh_bucket(n->addr)];
    while (*link != n)
        link = &(*link)->hash_next;
    rcu_assign_pointer(*link, n->hash_next);
    timer_cancel(&n->timer);
    list_leave(n);
    n->removed = true; // for a timer callback that waits for the lock
    if (is_resolved(n))
        call_rcu(&n->adj->rcu, adjacency_free);
    for (struct packet *p = queue_take(n), *next; p; p = next) {
        next = p->next;
        port_drop(port_get(p->port), DROP_NEIGHBOUR, p);
    }
    call_rcu(&n->rcu, entry_free);
}

static void set_state(struct neigh *n, enum neigh_state state, uint64_t timeout)
{
    n->state = (uint8_t)state;
    timer_start_in(&n->timer, timeout);
}

static void send_request(struct neigh *n)
{
    n->probes++;
    timer_start_in(&n->timer, REQUEST_INTERVAL);
    arp_request(n->port, n->addr, n->state == NEIGH_PROBE ? n->mac : NULL);
}

static void start_asking(struct neigh *n)
{
    n->state = NEIGH_INCOMPLETE;
    n->probes = 0;
    send_request(n);
}

static void make_room_unresolved(struct neigh_port *state)
{
    if (state->unresolved_count >= UNRESOLVED_MAX)
        entry_remove(list_first(&state->unresolved, struct neigh, link));
}

struct neigh *neigh_find_or_create(struct port *port, uint32_t addr)
{
    struct neigh_port *state = &port_state[port->number];
    spin_lock_bh(&lock);
    struct neigh *n = neigh_find(addr);
    if (!n && token_bucket_take(&state->glean, GLEAN_RATE, GLEAN_BURST, clock_monotonic_ns())) {
        make_room_unresolved(state);
        n = entry_create(port, addr, GFP_NOWAIT);
        if (n)
            list_enter(n);
    }
    spin_unlock_bh(&lock);
    return n;
}

// ---- packets ---------------------------------------------------------------------------------

// Not locked. Sends what waited for the answer.
static void send_queue(struct packet *queue, const struct adjacency *adj)
{
    for (struct packet *next; queue; queue = next) {
        next = queue->next;
        ip4_transmit(port_get(queue->port), queue, adj);
    }
}

// Not locked. RFC 1812 section 3.3.2: an unresolvable address is a destination unreachable.
static void refuse_queue(struct packet *queue)
{
    for (struct packet *next; queue; queue = next) {
        struct port *ingress = port_get(queue->port);
        next = queue->next;
        icmp_error(ingress, queue, ICMP_UNREACHABLE, ICMP_HOST, 0);
        port_drop(ingress, DROP_NEIGHBOUR, queue);
    }
}

static void queue_drop_oldest(struct neigh *n)
{
    struct packet *oldest = n->queue;
    n->queue = oldest->next;
    n->queued--;
    port_state[n->port->number].queued--;
    port_drop(port_get(oldest->port), DROP_NEIGHBOUR, oldest);
}

// Appends; when full, the oldest goes (RFC 1122 section 2.3.2.2 wants the latest kept), but never
// one that waits for another neighbour.
static void queue_add(struct neigh *n, struct packet *p)
{
    struct neigh_port *state = &port_state[n->port->number];
    bool no_room = state->queued >= port_waiting_max(n->port);
    if (no_room && !n->queue) {
        port_drop(port_get(p->port), DROP_NEIGHBOUR, p);
        return;
    }
    if (no_room || n->queued == NEIGH_QUEUE_MAX)
        queue_drop_oldest(n);
    struct packet **link = &n->queue;
    while (*link)
        link = &(*link)->next;
    p->next = NULL;
    *link = p;
    n->queued++;
    state->queued++;
}

void neigh_enqueue(struct neigh *n, struct packet *p)
{
    const struct adjacency *adj = NULL;
    bool failed = false;
    p->next = NULL;
    spin_lock_bh(&lock);
    if (n->removed || n->state == NEIGH_FAILED) {
        failed = true;
    } else if (is_resolved(n)) {
        adj = n->adj;
    } else {
        queue_add(n, p);
        if (!n->probes)
            start_asking(n);
    }
    spin_unlock_bh(&lock);
    if (failed)
        refuse_queue(p);
    else if (adj)
        send_queue(p, adj);
}

void neigh_confirm(struct neigh *n)
{
    spin_lock_bh(&lock);
    if (!n->removed && n->state == NEIGH_STALE) {
        n->state = NEIGH_PROBE;
        n->probes = 0;
        send_request(n);
        n->adj->max_frame = (uint16_t)(n->port->mtu + ETH_HEADER_BYTES);
    }
    spin_unlock_bh(&lock);
}

// ---- ageing ----------------------------------------------------------------------------------

static void become_stale(struct neigh *n)
{
    set_state(n, NEIGH_STALE, STALE_TIME);
    // One store that sends the next packet to neigh_confirm().
    n->adj->max_frame = 0;
}

// The MAC address we know does not answer, another one may: the address can have moved. RFC 4861
// section 7.3.3 has the entry deleted, and so resolved from the start: asked for by broadcast.
static void resolve_anew(struct neigh *n)
{
    if (!is_bound(n))
        make_room_unresolved(&port_state[n->port->number]);
    publish(n, &n->resolve);
    start_asking(n);
}

// Three requests and no answer. Returns the packets to refuse.
static struct packet *become_failed(struct neigh *n)
{
    set_state(n, NEIGH_FAILED, FAILED_TIME);
    return queue_take(n);
}

// The end of a dynamic entry; a gateway's goes back to the start and asks at the next packet.
static void forget(struct neigh *n)
{
    if (!is_bound(n)) {
        entry_remove(n);
    } else if (n->state != NEIGH_STALE) {
        n->state = NEIGH_INCOMPLETE;
        n->probes = 0;
    }
}

static struct packet *advance(struct neigh *n)
{
    switch (n->state) {
    case NEIGH_INCOMPLETE:
        if (n->probes >= REQUESTS_MAX)
            return become_failed(n);
        send_request(n);
        return NULL;
    case NEIGH_PROBE:
        if (n->probes >= REQUESTS_MAX)
            resolve_anew(n);
        else
            send_request(n);
        return NULL;
    case NEIGH_REACHABLE:
        become_stale(n);
        return NULL;
    case NEIGH_STALE:
    case NEIGH_FAILED:
        forget(n);
        return NULL;
    default:
        return NULL;
    }
}

static void timer_fired(struct timer *timer)
{
    struct neigh *n = container_of(timer, struct neigh, timer);
    struct packet *refused = NULL;
    spin_lock_bh(&lock);
    // Re-armed while this call waited for the lock: the new time counts.
    if (!n->removed && !n->timer.armed)
        refused = advance(n);
    spin_unlock_bh(&lock);
    refuse_queue(refused);
    egress_flush();
}

// ---- what ARP heard --------------------------------------------------------------------------

static void make_room_confirmed(struct neigh_port *state)
{
    if (state->confirmed_count >= NEIGH_MAX_PER_PORT)
        entry_remove(list_first(&state->confirmed, struct neigh, link));
}

// Enters the MAC address that spoke. Without memory things stay as they are: the next answer or
// packet tries again.
static void learn(struct neigh *n, const uint8_t *mac, bool solicited)
{
    bool known = is_resolved(n) && memcmp(n->mac, mac, sizeof(n->mac)) == 0;
    struct adjacency *adj = known ? n->adj : rewrite_make(n, mac);
    if (!adj)
        return;
    if (!is_resolved(n) && !is_bound(n))
        make_room_confirmed(&port_state[n->port->number]);
    eth_copy_mac(n->mac, mac);
    n->probes = 0;
    publish(n, adj); // known: moves the entry to the young end of its list
    if (solicited) {
        n->confirmed_ns = clock_monotonic_ns();
        adj->max_frame = (uint16_t)(n->port->mtu + ETH_HEADER_BYTES);
        set_state(n, NEIGH_REACHABLE, REACHABLE_TIME);
    } else if (!known) {
        become_stale(n);
    }
}

// An entry for a host that asked us: only while there is room that nobody else uses.
static struct neigh *create_heard(struct port *port, uint32_t addr)
{
    struct neigh_port *state = &port_state[port->number];
    if (state->confirmed_count >= NEIGH_MAX_PER_PORT)
        return NULL;
    struct neigh *n = entry_create(port, addr, GFP_NOWAIT);
    if (n)
        list_enter(n);
    return n;
}

void neigh_heard(struct port *port, uint32_t addr, const uint8_t *mac, bool solicited, bool create)
{
    struct packet *queue = NULL;
    const struct adjacency *adj = NULL;
    spin_lock_bh(&lock);
    struct neigh *n = neigh_find(addr);
    if (!n && create)
        n = create_heard(port, addr);
    if (n && n->port == port && n->state != NEIGH_STATIC) {
        learn(n, mac, solicited && n->probes);
        if (is_resolved(n)) {
            queue = queue_take(n);
            adj = n->adj;
        }
    }
    spin_unlock_bh(&lock);
    send_queue(queue, adj);
}

// ---- gateways, static entries, ports (thread context, net_config_lock held) ------------------

int neigh_gateway_attach(struct nexthop *nexthop)
{
    spin_lock_bh(&lock);
    struct neigh *n = neigh_find(nexthop->gateway);
    if (!n)
        n = entry_create(nexthop->port, nexthop->gateway, GFP_ATOMIC);
    if (n) {
        list_leave(n);
        n->nexthop = nexthop;
        nexthop->neigh = n;
        nexthop_publish(nexthop, n->adj);
    }
    spin_unlock_bh(&lock);
    return n ? 0 : -ENOMEM;
}

void neigh_gateway_detach(struct nexthop *nexthop)
{
    spin_lock_bh(&lock);
    struct neigh *n = nexthop->neigh;
    nexthop->neigh = NULL;
    n->nexthop = NULL;
    nexthop_unpublish(nexthop);
    // An entry that no timer watches would stay for ever.
    if (n->state != NEIGH_STATIC && !n->timer.armed)
        entry_remove(n);
    else
        list_enter(n);
    spin_unlock_bh(&lock);
}

// Lock held. Makes an entry static; returns its adjacency, NULL without memory.
static const struct adjacency *make_static(struct neigh *n, const uint8_t *mac)
{
    struct adjacency *adj = rewrite_make(n, mac);
    if (!adj)
        return NULL;
    list_leave(n);
    timer_cancel(&n->timer);
    n->state = NEIGH_STATIC;
    eth_copy_mac(n->mac, mac);
    publish(n, adj);
    return adj;
}

// Gives the entry of `addr` its static MAC address, where its subnet is connected.
static int static_apply(const struct neigh_static *s)
{
    struct port *port = ip4_port_towards(s->addr);
    if (!port)
        return 0;
    struct packet *queue = NULL;
    const struct adjacency *adj = NULL;
    spin_lock_bh(&lock);
    struct neigh *n = neigh_find(s->addr), *fresh = NULL;
    if (!n)
        n = fresh = entry_create(port, s->addr, GFP_ATOMIC);
    if (n)
        adj = make_static(n, s->mac);
    if (adj)
        queue = queue_take(n);
    else if (fresh)
        entry_remove(fresh);
    spin_unlock_bh(&lock);
    softirq_disable();
    send_queue(queue, adj);
    egress_flush();
    softirq_enable();
    return adj ? 0 : -ENOMEM;
}

// A static entry becomes a dynamic one that knows nothing.
static void static_revoke(struct neigh *n)
{
    n->state = NEIGH_INCOMPLETE;
    n->probes = 0;
    publish(n, &n->resolve);
    if (!n->nexthop)
        entry_remove(n);
}

static struct neigh_static *static_find(uint32_t addr)
{
    struct neigh_static *s;
    list_for_each (s, &statics, link)
        if (s->addr == addr)
            return s;
    return NULL;
}

int neigh_static_add(uint32_t addr, const uint8_t mac[6])
{
    if (eth_is_group(mac) || !eth_mac_word(mac) || ip4_martian_source(addr))
        return -EINVAL;
    struct neigh_static *s = static_find(addr), *fresh = NULL;
    if (!s) {
        s = fresh = kmalloc(sizeof(*s), GFP_KERNEL | GFP_ACCOUNT(neighbours));
        if (!s)
            return -ENOMEM;
        s->addr = addr;
        list_add_tail(&statics, &s->link);
    }
    eth_copy_mac(s->mac, mac);
    int err = static_apply(s);
    if (err && fresh) {
        list_del(&fresh->link);
        kfree(fresh);
    }
    return err;
}

int neigh_static_del(uint32_t addr)
{
    struct neigh_static *s = static_find(addr);
    if (!s)
        return -ENOENT;
    list_del(&s->link);
    kfree(s);
    spin_lock_bh(&lock);
    struct neigh *n = neigh_find(addr);
    if (n && n->state == NEIGH_STATIC)
        static_revoke(n);
    spin_unlock_bh(&lock);
    return 0;
}

// Calls `change` for each entry of `port` (NULL: of all ports); it may remove the entry.
static void for_each_entry(const struct port *port, void (*change)(struct neigh *n))
{
    spin_lock_bh(&lock);
    for (unsigned i = 0; i < NEIGH_BUCKETS; i++) {
        for (struct neigh *n = neigh_hash[i], *next; n; n = next) {
            next = n->hash_next;
            if (!port || n->port == port)
                change(n);
        }
    }
    spin_unlock_bh(&lock);
}

static void flush_entry(struct neigh *n)
{
    if (n->state == NEIGH_STATIC)
        return;
    if (!n->nexthop) {
        entry_remove(n);
        return;
    }
    publish(n, &n->resolve);
    timer_cancel(&n->timer);
    n->state = NEIGH_INCOMPLETE;
    n->probes = 0;
    if (n->queue)
        start_asking(n);
}

void neigh_flush(const struct port *port)
{
    for_each_entry(port, flush_entry);
    softirq_disable();
    egress_flush();
    softirq_enable();
}

// No route uses the entry any more, or it would have a next hop.
static void drop_foreign(struct neigh *n)
{
    if (n->nexthop || ip4_is_neighbour(n->port, n->addr))
        return;
    if (n->state == NEIGH_STATIC)
        static_revoke(n);
    else
        entry_remove(n);
}

void neigh_subnets_changed(struct port *port)
{
    for_each_entry(port, drop_foreign);
    struct neigh_static *s;
    list_for_each (s, &statics, link) {
        struct neigh *n = neigh_find(s->addr);
        if (!n || n->state != NEIGH_STATIC)
            static_apply(s); // without memory it stays inactive until the next change
    }
}

static void age_entry(struct neigh *n)
{
    if (n->state == NEIGH_REACHABLE || n->state == NEIGH_PROBE)
        become_stale(n);
}

void neigh_port_down(struct port *port) { for_each_entry(port, age_entry); }

static void rewrite_entry(struct neigh *n)
{
    if (!is_resolved(n))
        return;
    struct adjacency *adj = rewrite_make(n, n->mac);
    if (adj && !n->adj->max_frame)
        adj->max_frame = 0; // aged it stays
    publish(n, adj ? adj : &n->resolve);
}

void neigh_port_changed(struct port *port) { for_each_entry(port, rewrite_entry); }

// ---- listing ---------------------------------------------------------------------------------

static struct neigh_info info_of(const struct neigh *n)
{
    struct neigh_info info = {.addr = n->addr, .state = n->state, .port = n->port};
    memcpy(info.mac, n->mac, sizeof(info.mac));
    if (n->confirmed_ns)
        info.age_s = (uint32_t)((clock_monotonic_ns() - n->confirmed_ns) / NSEC_PER_SEC);
    return info;
}

// The entry with the smallest address at or above `from`; false at the end.
static bool next_entry(uint64_t from, struct neigh_info *info)
{
    const struct neigh *best = NULL;
    spin_lock_bh(&lock);
    for (unsigned i = 0; i < NEIGH_BUCKETS; i++)
        for (const struct neigh *n = neigh_hash[i]; n; n = n->hash_next)
            if (n->addr >= from && (!best || n->addr < best->addr))
                best = n;
    if (best)
        *info = info_of(best);
    spin_unlock_bh(&lock);
    return best;
}

int neigh_walk(int (*visit)(const struct neigh_info *info, void *arg), void *arg)
{
    struct neigh_info info;
    // The visitor may print or sleep: no lock is held over it.
    for (uint64_t from = 0; next_entry(from, &info); from = (uint64_t)info.addr + 1) {
        int result = visit(&info, arg);
        if (result)
            return result;
    }
    return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
//
// Fake of the network layer and of the few kernel services that configuration code calls
// (contract in fake_net.h). The state is kept in small arrays; order is kept, since the first
// address of a port is its primary one.

#include "fake_net.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/lib/dt.h"
#include "net/interface.h"
#include "net/neigh.h"

#define ROWS_MAX 70000

static struct port ports[PORT_MAX];
static unsigned ports_used, cpus_used;
static long fail_after = -1, changes;
static int fail_once;
static struct {
    struct ip4_address list[IP4_ADDRESSES_MAX];
    unsigned count;
} addresses[PORT_MAX];
static struct route4 routes[ROWS_MAX];
static size_t route_count;
static struct neigh_info neighbours[ROWS_MAX];
static size_t neighbour_count;

struct mutex net_config_lock;
static int locked;

void mutex_lock(struct mutex *mutex)
{
    (void)mutex;
    assert(!locked);
    locked = 1;
}
void mutex_unlock(struct mutex *mutex)
{
    (void)mutex;
    assert(locked);
    locked = 0;
}

void thread_sleep_ns(uint64_t ns) { (void)ns; }

void fake_net_reset(unsigned port_number, unsigned cpus)
{
    ports_used = port_number;
    cpus_used = cpus;
    fail_after = -1;
    changes = 0;
    route_count = neighbour_count = 0;
    memset(ports, 0, sizeof(ports));
    memset(addresses, 0, sizeof(addresses));
    for (unsigned i = 0; i < port_number; i++) {
        ports[i].number = (uint16_t)i;
        ports[i].mtu = 1500;
        ports[i].model = "fake";
        snprintf(ports[i].name, sizeof(ports[i].name), "eth%u", i);
    }
}

void fake_net_fail_after(long successes, int once)
{
    fail_after = successes;
    fail_once = once;
    changes = 0;
}
long fake_net_changes(void) { return changes; }

// True when this change is to fail.
static bool refuse(void)
{
    assert(locked);
    changes++;
    if (fail_after < 0)
        return false;
    if (fail_after == 0) {
        if (fail_once)
            fail_after = -1;
        return true;
    }
    fail_after--;
    return false;
}

const char *fake_net_state(char *buf, size_t size)
{
    size_t at = 0;
    for (unsigned i = 0; i < ports_used; i++) {
        at += (size_t)snprintf(buf + at, size - at, "%s %d %u %x:", ports[i].name, ports[i].started,
                               ports[i].mtu, ports[i].features);
        for (unsigned j = 0; j < addresses[i].count; j++)
            at += (size_t)snprintf(buf + at, size - at, " %08x/%u", addresses[i].list[j].addr,
                                   addresses[i].list[j].len);
        at += (size_t)snprintf(buf + at, size - at, "\n");
    }
    // Routes and neighbours have no order of their own: print them by value.
    for (uint64_t last = 0, next; at < size; last = next) {
        const struct route4 *best = NULL;
        next = UINT64_MAX;
        for (size_t i = 0; i < route_count; i++) {
            uint64_t key = ((uint64_t)routes[i].prefix << 8 | routes[i].len) + 1;
            if (key > last && key < next) {
                next = key;
                best = &routes[i];
            }
        }
        if (!best)
            break;
        at += (size_t)snprintf(buf + at, size - at, "route %08x/%u %d %08x\n", best->prefix,
                               best->len, best->kind, best->gateway);
    }
    for (uint64_t last = 0, next; at < size; last = next) {
        const struct neigh_info *best = NULL;
        next = UINT64_MAX;
        for (size_t i = 0; i < neighbour_count; i++) {
            if (neighbours[i].addr > last && neighbours[i].addr < next) {
                next = neighbours[i].addr;
                best = &neighbours[i];
            }
        }
        if (!best)
            break;
        at += (size_t)snprintf(buf + at, size - at, "arp %08x %02x..%02x\n", best->addr,
                               best->mac[0], best->mac[5]);
    }
    return buf;
}

// ---- net/port.h ------------------------------------------------------------------------------

unsigned port_count(void) { return ports_used; }
struct port *port_get(unsigned number) { return number < ports_used ? &ports[number] : NULL; }

struct port *port_by_name(const char *name)
{
    for (unsigned i = 0; i < ports_used; i++) {
        if (strcmp(ports[i].name, name) == 0)
            return &ports[i];
    }
    return NULL;
}

int port_start(struct port *port)
{
    if (refuse())
        return -EIO;
    assert(!port->started);
    port->started = true;
    return 0;
}

// The model keeps no adjacencies that a new MTU would change.
void interface_port_changed(struct port *port) { (void)port; }

void port_stop(struct port *port)
{
    assert(locked);
    port->started = false;
}

// ---- net/interface.h -------------------------------------------------------------------------

int ip4_address_add(struct port *port, uint32_t addr, unsigned len)
{
    uint32_t mask = len ? ~0u << (32 - len) : 0;
    if (refuse())
        return -ENOMEM;
    for (unsigned i = 0; i < ports_used; i++) {
        for (unsigned j = 0; j < addresses[i].count; j++) {
            const struct ip4_address *have = &addresses[i].list[j];
            uint32_t both = mask & (have->len ? ~0u << (32 - have->len) : 0);
            if (have->addr == addr)
                return -EEXIST;
            if (i != port->number && ((have->addr ^ addr) & both) == 0)
                return -EADDRINUSE;
        }
    }
    if (addresses[port->number].count == IP4_ADDRESSES_MAX)
        return -ENOSPC;
    addresses[port->number].list[addresses[port->number].count++] =
        (struct ip4_address){addr, (uint8_t)len};
    return 0;
}

int ip4_address_del(struct port *port, uint32_t addr, unsigned len)
{
    if (refuse())
        return -ENOMEM;
    struct ip4_address *list = addresses[port->number].list;
    unsigned *count = &addresses[port->number].count;
    for (unsigned i = 0; i < *count; i++) {
        if (list[i].addr != addr || list[i].len != len)
            continue;
        memmove(&list[i], &list[i + 1], (--*count - i) * sizeof(list[0]));
        return 0;
    }
    return -ENOENT;
}

unsigned ip4_address_list(const struct port *port, struct ip4_address *out, unsigned max)
{
    unsigned count = MIN(addresses[port->number].count, max);
    memcpy(out, addresses[port->number].list, count * sizeof(*out));
    return count;
}

static long route_index(uint32_t prefix, unsigned len)
{
    for (size_t i = 0; i < route_count; i++) {
        if (routes[i].prefix == prefix && routes[i].len == len)
            return (long)i;
    }
    return -1;
}

int route4_add(uint32_t prefix, unsigned len, enum route_kind kind, uint32_t gateway)
{
    if (refuse())
        return -ENOMEM;
    int at = route_index(prefix, len); // replaces, as the real one does
    routes[at >= 0 ? (size_t)at : route_count++] =
        (struct route4){.prefix = prefix, .len = (uint8_t)len, .kind = kind, .gateway = gateway};
    return 0;
}

int route4_del(uint32_t prefix, unsigned len)
{
    if (refuse())
        return -ENOMEM;
    long at = route_index(prefix, len);
    if (at < 0)
        return -ENOENT;
    routes[at] = routes[--route_count];
    return 0;
}

// ---- net/neigh.h -----------------------------------------------------------------------------

static long neighbour_index(uint32_t addr)
{
    for (size_t i = 0; i < neighbour_count; i++) {
        if (neighbours[i].addr == addr)
            return (long)i;
    }
    return -1;
}

int neigh_static_add(uint32_t addr, const uint8_t mac[6])
{
    if (refuse())
        return -ENOMEM;
    int at = neighbour_index(addr); // replaces, as the real one does
    size_t slot = at >= 0 ? (size_t)at : neighbour_count++;
    neighbours[slot].addr = addr;
    memcpy(neighbours[slot].mac, mac, 6);
    return 0;
}

int neigh_static_del(uint32_t addr)
{
    if (refuse())
        return -ENOMEM;
    long at = neighbour_index(addr);
    if (at < 0)
        return -ENOENT;
    neighbours[at] = neighbours[--neighbour_count];
    return 0;
}

// ---- core/lib/dt.h: /cpus with as many cpu nodes as asked for ---------------------------------

static struct dt_node cpus_node, cpu_nodes[64];

const struct dt_node *dt_by_path(const char *path)
{
    return strcmp(path, "/cpus") == 0 ? &cpus_node : NULL;
}
const struct dt_node *dt_first_child(const struct dt_node *node)
{
    return node == &cpus_node && cpus_used ? cpu_nodes : NULL;
}
const struct dt_node *dt_next_sibling(const struct dt_node *node)
{
    return node + 1 < cpu_nodes + cpus_used ? node + 1 : NULL;
}
const char *dt_string(const struct dt_node *node, const char *name)
{
    (void)node;
    return strcmp(name, "device_type") == 0 ? "cpu" : NULL;
}

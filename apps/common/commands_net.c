// SPDX-License-Identifier: BSD-2-Clause
//
// Commands about ports, addresses, neighbours and routes, and `ping`. They read what the network
// layer publishes; only `clear` and `ping` do anything.

#include <string.h>

#include "apps/common/address.h"
#include "apps/common/command.h"
#include "apps/common/config.h"
#include "apps/common/errors.h"
#include "apps/common/memory.h"
#include "core/lib/fmt.h"
#include "core/time/clock.h"
#include "mm/slab.h"
#include "net/neigh.h"
#include "net/ping.h"

// What `clear counters` subtracts: the counters themselves belong to the CPU that polls the port.
static struct port_counters cleared[PORT_MAX];

// The counters of a port since the last `clear`. They may move while they are copied: each is one
// 64-bit load, so every single figure is right, and the sum of two may be off by a packet.
static void read_counters(const struct port *port, struct port_counters *counters)
{
    const struct port_counters *base = &cleared[port->number];
    *counters = port->counters;
    counters->rx_packets -= base->rx_packets;
    counters->rx_bytes -= base->rx_bytes;
    counters->tx_packets -= base->tx_packets;
    counters->tx_bytes -= base->tx_bytes;
    counters->rx_errors -= base->rx_errors;
    counters->resets -= base->resets;
    for (unsigned i = 0; i < DROP_REASONS; i++)
        counters->drops[i] -= base->drops[i];
}

static uint64_t all_drops(const struct port_counters *counters)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < DROP_REASONS; i++)
        sum += counters->drops[i];
    return sum;
}

// "off" is ours (not configured, shut down), "down" is the cable.
static const char *port_state(const struct port *port)
{
    if (!port->started)
        return "off";
    return atomic_load_explicit(&port->link_up, memory_order_relaxed) ? "up" : "down";
}

// Runs `show` for the named port or for all. COMMAND_USAGE for more than one name.
static int for_ports(struct command_out *out, int argc, char **argv,
                     void (*show)(struct command_out *out, const struct port *port))
{
    if (argc > 1)
        return COMMAND_USAGE;
    const struct port *one = argc ? port_by_name(argv[0]) : NULL;
    if (argc && !one) {
        command_print(out, "no interface '%s'\n", argv[0]);
        return -ENODEV;
    }
    if (!port_count())
        command_print(out, "this machine has no network ports\n");
    for (unsigned i = 0; i < port_count(); i++) {
        if (!one || one == port_get(i))
            show(out, port_get(i));
    }
    return 0;
}

// ---- show interfaces, show counters -----------------------------------------------------------

static void show_addresses(struct command_out *out, const struct port *port)
{
    struct ip4_address addresses[IP4_ADDRESSES_MAX];
    char text[PREFIX4_TEXT_MAX];
    unsigned count = ip4_address_list(port, addresses, IP4_ADDRESSES_MAX);
    for (unsigned i = 0; i < count; i++)
        command_print(out, "  address %s\n",
                      ip4_format_prefix(addresses[i].addr, addresses[i].len, text));
}

// Only the reasons that occurred: nearly thirty lines of zeros would hide the one that matters.
static void show_traffic(struct command_out *out, const struct port *port)
{
    struct port_counters counters;
    read_counters(port, &counters);
    command_print(out, "  rx %llu packets, %llu bytes, %llu errors\n",
                  (unsigned long long)counters.rx_packets, (unsigned long long)counters.rx_bytes,
                  (unsigned long long)counters.rx_errors);
    command_print(out, "  tx %llu packets, %llu bytes\n", (unsigned long long)counters.tx_packets,
                  (unsigned long long)counters.tx_bytes);
    if (counters.resets)
        command_print(out, "  resets %llu\n", (unsigned long long)counters.resets);
    for (unsigned i = 0; i < DROP_REASONS; i++) {
        if (counters.drops[i])
            command_print(out, "  drop %-20s %llu\n", drop_reason_name((enum drop_reason)i),
                          (unsigned long long)counters.drops[i]);
    }
}

static void show_port(struct command_out *out, const struct port *port)
{
    char description[CONFIG_DESCRIPTION_MAX];
    config_running_description(port->number, description);
    command_print(out, "%s is %s, %s%s\n", port->name, port_state(port), port->model,
                  port->features & PORT_HOST_ONLY ? ", host-only" : "");
    if (description[0])
        command_print(out, "  description %s\n", description);
    command_print(out, "  MAC %pM, MTU %u\n", (const void *)port->mac, port->mtu);
    show_addresses(out, port);
    show_traffic(out, port);
}

static int show_interfaces(struct command_out *out, int argc, char **argv)
{
    return for_ports(out, argc, argv, show_port);
}
CONSOLE_COMMAND(show_interfaces_command, "show interfaces", "[PORT]",
                "state, addresses and counters of ports", show_interfaces);

static void show_port_brief(struct command_out *out, const struct port *port)
{
    struct ip4_address addresses[IP4_ADDRESSES_MAX];
    struct port_counters counters;
    char text[PREFIX4_TEXT_MAX] = "-";
    if (ip4_address_list(port, addresses, IP4_ADDRESSES_MAX))
        ip4_format_prefix(addresses[0].addr, addresses[0].len, text);
    read_counters(port, &counters);
    command_print(out, "%-7s %-5s %-19s %12llu %12llu %10llu\n", port->name, port_state(port), text,
                  (unsigned long long)counters.rx_packets, (unsigned long long)counters.tx_packets,
                  (unsigned long long)all_drops(&counters));
}

static int show_brief(struct command_out *out, int argc, char **argv)
{
    if (port_count())
        command_print(out, "%-7s %-5s %-19s %12s %12s %10s\n", "Port", "State", "Address", "Rx",
                      "Tx", "Drops");
    return for_ports(out, argc, argv, show_port_brief);
}
CONSOLE_COMMAND(show_brief_command, "show interfaces brief", "", "one line for each port",
                show_brief);

// For programs: keys are stable, new ones are added at the end.
static void show_port_counters(struct command_out *out, const struct port *port)
{
    struct port_counters counters;
    read_counters(port, &counters);
    command_print(out,
                  "%s %s rx_packets=%llu rx_bytes=%llu tx_packets=%llu tx_bytes=%llu drops=%llu "
                  "rx_errors=%llu resets=%llu",
                  port->name, port_state(port), (unsigned long long)counters.rx_packets,
                  (unsigned long long)counters.rx_bytes, (unsigned long long)counters.tx_packets,
                  (unsigned long long)counters.tx_bytes, (unsigned long long)all_drops(&counters),
                  (unsigned long long)counters.rx_errors, (unsigned long long)counters.resets);
    for (unsigned i = 0; i < DROP_REASONS; i++) {
        if (counters.drops[i])
            command_print(out, " drop.%s=%llu", drop_reason_name((enum drop_reason)i),
                          (unsigned long long)counters.drops[i]);
    }
    command_print(out, "\n");
}

static int show_counters(struct command_out *out, int argc, char **argv)
{
    return for_ports(out, argc, argv, show_port_counters);
}
CONSOLE_COMMAND(show_counters_command, "show counters", "[PORT]",
                "counters as name=value, a line for each port", show_counters);

// Whoever collects counters by program must not be surprised by a colleague at the console, so the
// counters themselves go on; only what this console shows starts anew.
static int clear_counters(struct command_out *out, int argc, char **argv)
{
    (void)out;
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    for (unsigned i = 0; i < port_count(); i++)
        cleared[i] = port_get(i)->counters;
    return 0;
}
CONSOLE_COMMAND(clear_counters_command, "clear counters", "", "count from zero again",
                clear_counters);

// ---- Neighbours ------------------------------------------------------------------------------

// Tables are copied out before they are printed: visitors may not wait for a terminal. Grown
// between two walks, since a visitor may not allocate either.
struct snapshot {
    void *rows;
    size_t row_bytes, room, count; // count: rows there were, kept or not
};

static void snapshot_add(struct snapshot *snapshot, const void *row)
{
    if (snapshot->count < snapshot->room)
        memcpy((char *)snapshot->rows + snapshot->count * snapshot->row_bytes, row,
               snapshot->row_bytes);
    snapshot->count++;
}

// Walks until all rows fitted. -ENOMEM after saying so.
static int snapshot_take(struct snapshot *snapshot, struct command_out *out, void (*walk)(void *))
{
    for (size_t room = 64;; room = snapshot->count + snapshot->count / 8) {
        kfree(snapshot->rows);
        snapshot->rows = kmalloc(room * snapshot->row_bytes, GFP_CONFIG);
        snapshot->room = room;
        snapshot->count = 0;
        if (!snapshot->rows) {
            command_print(out, "out of memory\n");
            return -ENOMEM;
        }
        walk(snapshot);
        if (snapshot->count <= room)
            return 0;
    }
}

static int visit_neighbour(const struct neigh_info *info, void *arg)
{
    snapshot_add(arg, info);
    return 0;
}
static void walk_neighbours(void *snapshot) { neigh_walk(visit_neighbour, snapshot); }

// The address that failed to resolve is shown too, without a MAC: it is what one looks for here.
static int show_arp(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    if (argc)
        return COMMAND_USAGE;
    struct snapshot snapshot = {.row_bytes = sizeof(struct neigh_info)};
    int err = snapshot_take(&snapshot, out, walk_neighbours);
    const struct neigh_info *rows = snapshot.rows;
    if (!err && snapshot.count)
        command_print(out, "%-15s %-17s %-7s %-10s %s\n", "Address", "MAC", "Port", "State", "Age");
    for (size_t i = 0; !err && i < snapshot.count && !command_wait(out, 0); i++) {
        char addr[IP4_TEXT_MAX];
        bool known = rows[i].state != NEIGH_INCOMPLETE && rows[i].state != NEIGH_FAILED;
        char mac[MAC_TEXT_MAX] = "-";
        if (known)
            mac_format(rows[i].mac, mac);
        command_print(out, "%-15s %-17s %-7s %-10s", ip4_format(rows[i].addr, addr), mac,
                      rows[i].port ? rows[i].port->name : "-", neigh_state_name(rows[i].state));
        if (rows[i].state == NEIGH_STATIC)
            command_print(out, " -\n");
        else
            command_print(out, " %u s\n", rows[i].age_s);
    }
    kfree(snapshot.rows);
    return err;
}
CONSOLE_COMMAND(show_arp_command, "show arp", "", "neighbours (ARP table)", show_arp);

// Static entries stay: they are configuration.
static int clear_arp(struct command_out *out, int argc, char **argv)
{
    (void)argv;
    (void)out;
    if (argc)
        return COMMAND_USAGE;
    mutex_lock(&net_config_lock);
    neigh_flush(NULL);
    mutex_unlock(&net_config_lock);
    return 0;
}
CONSOLE_COMMAND(clear_arp_command, "clear arp", "", "forget learned neighbours", clear_arp);

// ---- Routes ----------------------------------------------------------------------------------

// Codes as in FRR and its models; a route that is not in use says so twice, in the column that one
// reads down and in words.
static void print_route(struct command_out *out, const struct route4 *route)
{
    static const struct {
        char code;
        const char *text;
    } kinds[] = {[ROUTE_CONNECTED] = {'C', "connected"},
                 [ROUTE_LOCAL] = {'L', "this machine"},
                 [ROUTE_STATIC] = {'S', "via"},
                 [ROUTE_BLACKHOLE] = {'S', "blackhole"},
                 [ROUTE_REJECT] = {'S', "reject"}};
    char prefix[PREFIX4_TEXT_MAX], gateway[IP4_TEXT_MAX];
    bool via = route->kind == ROUTE_STATIC;
    command_print(out, "%c%c %-18s %s%s%s%s%s%s\n", kinds[route->kind].code,
                  route->active ? '>' : ' ', ip4_format_prefix(route->prefix, route->len, prefix),
                  kinds[route->kind].text, via ? " " : "",
                  via ? ip4_format(route->gateway, gateway) : "", route->port ? ", " : "",
                  route->port ? route->port->name : "", route->active ? "" : ", inactive");
}

static int visit_route(const struct route4 *route, void *arg)
{
    snapshot_add(arg, route);
    return 0;
}
static void walk_routes(void *snapshot)
{
    mutex_lock(&net_config_lock);
    route4_walk(visit_route, snapshot);
    mutex_unlock(&net_config_lock);
}

static int show_all_routes(struct command_out *out)
{
    struct snapshot snapshot = {.row_bytes = sizeof(struct route4)};
    int err = snapshot_take(&snapshot, out, walk_routes);
    const struct route4 *rows = snapshot.rows;
    if (!err && snapshot.count)
        command_print(out, "C connected, L local, S static; > in use\n");
    for (size_t i = 0; !err && i < snapshot.count && !command_wait(out, 0); i++)
        print_route(out, &rows[i]);
    kfree(snapshot.rows);
    return err;
}

// With an address it asks the forwarding table itself, so it shows what a packet would meet.
static int show_route(struct command_out *out, int argc, char **argv)
{
    uint32_t addr;
    struct route4 route;
    if (argc == 0)
        return show_all_routes(out);
    if (argc > 1 || ip4_parse(argv[0], &addr))
        return COMMAND_USAGE;
    mutex_lock(&net_config_lock);
    int err = route4_lookup(addr, &route);
    mutex_unlock(&net_config_lock);
    if (err)
        command_print(out, "%s: %s\n", argv[0], error_text(err));
    else
        print_route(out, &route);
    return err;
}
CONSOLE_COMMAND(show_route_command, "show ip route", "[A.B.C.D]",
                "routes, or the one that a destination takes", show_route);

// ---- ping ------------------------------------------------------------------------------------

#define PING_TIMEOUT_NS NSEC_PER_SEC
#define PING_BYTES_MAX 1400
#define PING_COUNT_MAX 1000000
#define PING_INTERVAL_MAX_MS 3600000

struct ping_options {
    uint32_t dst;
    uint64_t count, size, interval; // interval in ms
};

// Options are named, in any order, and may be shortened like commands.
static int parse_option(struct ping_options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *value, min, max;
    } known[] = {{"count", &options->count, 1, PING_COUNT_MAX},
                 {"size", &options->size, 0, PING_BYTES_MAX},
                 {"interval", &options->interval, 0, PING_INTERVAL_MAX_MS}};
    uint64_t number;
    if (!value || parse_u64(value, SIZE_MAX, &number))
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        if (strncmp(known[i].name, name, strlen(name)) != 0)
            continue;
        if (number < known[i].min || number > known[i].max)
            return -ERANGE;
        *known[i].value = number;
        return 0;
    }
    return -EINVAL;
}

static int parse_ping(struct ping_options *options, int argc, char **argv)
{
    *options = (struct ping_options){.count = 5, .size = 56, .interval = 1000};
    if (!argc || ip4_parse(argv[0], &options->dst))
        return -EINVAL;
    for (int i = 1; i < argc; i += 2) {
        int err = parse_option(options, argv[i], argv[i + 1]);
        if (err)
            return err;
    }
    return 0;
}

struct ping_sum {
    uint64_t sent, received, min_ns, max_ns, sum_ns;
};

// An ICMP error is an answer, but not a reply: it is printed and counts as lost.
static void count_reply(struct ping_sum *sum, uint64_t ns)
{
    sum->min_ns = sum->received && sum->min_ns < ns ? sum->min_ns : ns;
    sum->max_ns = MAX(sum->max_ns, ns);
    sum->sum_ns += ns;
    sum->received++;
}

static void print_reply(struct command_out *out, const struct ping_result *result,
                        const struct ping_options *options, unsigned sequence)
{
    char from[IP4_TEXT_MAX];
    ip4_format(result->from, from);
    uint64_t us = result->rtt_ns / NSEC_PER_USEC;
    if (result->icmp_type == 0)
        command_print(out, "%llu bytes from %s: seq=%u ttl=%u time=%llu.%03llu ms\n",
                      (unsigned long long)options->size, from, sequence, result->ttl,
                      (unsigned long long)(us / 1000), (unsigned long long)(us % 1000));
    else
        command_print(out, "from %s: seq=%u ICMP error type %u code %u\n", from, sequence,
                      result->icmp_type, result->icmp_code);
}

static void print_sum(struct command_out *out, const struct ping_sum *sum)
{
    command_print(out, "%llu sent, %llu received, %llu%% lost", (unsigned long long)sum->sent,
                  (unsigned long long)sum->received,
                  (unsigned long long)((sum->sent - sum->received) * 100 / MAX(sum->sent, 1ULL)));
    const uint64_t times[] = {sum->min_ns, sum->received ? sum->sum_ns / sum->received : 0,
                              sum->max_ns};
    for (size_t i = 0; sum->received && i < ARRAY_SIZE(times); i++)
        command_print(out, "%s%llu.%03llu", i ? "/" : "; min/avg/max ",
                      (unsigned long long)(times[i] / 1000000),
                      (unsigned long long)(times[i] / 1000 % 1000));
    command_print(out, sum->received ? " ms\n" : "\n");
}

// A missing answer is a result; a missing route ends the series, since the next would miss it too.
static int ping_once(struct command_out *out, const struct ping_options *options,
                     struct ping_sum *sum)
{
    struct ping_result result;
    unsigned sequence = (unsigned)(uint16_t)++sum->sent;
    int err = ping4(options->dst, (uint16_t)sequence, options->size, PING_TIMEOUT_NS, &result);
    if (err) {
        command_print(out, "seq=%u %s\n", sequence, error_text(err));
        return err == -ETIMEDOUT ? 0 : err;
    }
    print_reply(out, &result, options, sequence);
    if (result.icmp_type == 0)
        count_reply(sum, result.rtt_ns);
    return 0;
}

// The interval runs from request to request, as people expect of `ping`; an answer that takes
// longer is followed at once by the next request.
static int ping(struct command_out *out, int argc, char **argv)
{
    struct ping_options options;
    struct ping_sum sum = {0};
    int err = parse_ping(&options, argc, argv);
    if (err == -ERANGE)
        command_print(out, "count 1-%d, size 0-%d, interval 0-%d ms\n", PING_COUNT_MAX,
                      PING_BYTES_MAX, PING_INTERVAL_MAX_MS);
    if (err)
        return err == -ERANGE ? err : COMMAND_USAGE;
    do {
        uint64_t due = clock_monotonic_ns() + options.interval * NSEC_PER_MSEC;
        err = ping_once(out, &options, &sum);
        uint64_t now = clock_monotonic_ns();
        bool last = err || sum.sent == options.count;
        if (last || command_wait(out, now < due ? due - now : 0))
            break;
    } while (true);
    print_sum(out, &sum);
    return err ? err : sum.received ? 0 : -ETIMEDOUT;
}
CONSOLE_COMMAND(ping_command, "ping", "A.B.C.D [count N] [size N] [interval MS]",
                "ICMP echo; Ctrl-C ends it", ping);

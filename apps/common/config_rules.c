// SPDX-License-Identifier: BSD-2-Clause
//
// What each configuration line means: the table of rules and the handler of each. A handler
// checks its arguments, reports what is wrong with them, and changes the model only when nothing
// is. In configure mode a line replaces an earlier one about the same thing.

#include "apps/common/config_rules.h"

#include <string.h>

#include "core/debug/log.h"
#include "core/lib/fmt.h"

#define MTU_MIN 68       // RFC 791: every module must be able to forward 68 octets unfragmented
#define CPU_LIST_MAX 200 // so that the canonical line stays within LINE_TEXT_MAX

// Only for rules of a block: check_form() has seen to it that there is one.
static struct config_interface *block_of(const struct config_line *line)
{
    return &line->parser->config->interfaces[line->parser->block];
}

// ---- System ----------------------------------------------------------------------------------

// A host name after RFC 1123 section 2.1: letters, digits, hyphens inside, dots between.
static bool good_hostname(const char *name)
{
    char before = '.';
    for (; *name; before = *name++) {
        char c = *name, lower = c | 0x20;
        bool plain = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
        if (!plain && (before == '.' || (c != '-' && c != '.') || (c == '.' && before == '-')))
            return false;
    }
    return before != '.' && before != '-';
}

static int set_hostname(struct config_line *line)
{
    const char *name = line->no ? CONFIG_HOSTNAME_DEFAULT : line->argv[0];
    size_t len = strlen(name);
    if (len >= CONFIG_HOSTNAME_MAX)
        return config_wrong(line, "host name longer than %d characters", CONFIG_HOSTNAME_MAX - 1);
    if (!good_hostname(name))
        return config_wrong(line, "'%s' is not a host name (letters, digits, '-' and '.')", name);
    memcpy(line->parser->config->hostname, name, len + 1);
    return 0;
}

// The numbers are the kernel log's own: 3 errors, 4 warnings, 6 information, 7 everything.
static int set_log_level(struct config_line *line)
{
    uint64_t level;
    if (line->no) {
        line->parser->config->log_level = -1;
        return 0;
    }
    if (parse_u64(line->argv[0], SIZE_MAX, &level) || level > LOG_DEBUG)
        return config_wrong(line, "log level '%.40s' is not 0 to %d", line->argv[0], LOG_DEBUG);
    line->parser->config->log_level = (int)level;
    return 0;
}

// The whole list is kept as it was given: what this machine can make of it is another question, and
// the text must survive being printed.
static int set_cpus(struct config_line *line)
{
    struct config *config = line->parser->config;
    uint64_t cpus[ARRAY_SIZE(config->cpus)] = {0};
    if (!line->no && strlen(line->argv[0]) > CPU_LIST_MAX)
        return config_wrong(line, "list longer than %d characters", CPU_LIST_MAX);
    int err = line->no ? 0 : config_parse_cpus(line->argv[0], cpus);
    if (err == -ERANGE)
        return config_wrong(line, "CPU numbers go up to %d", CONFIG_CPUS_MAX - 1);
    if (err)
        return config_wrong(line, "'%.40s' is not a list of CPUs such as 1-3,5", line->argv[0]);
    memcpy(config->cpus, cpus, sizeof(cpus));
    config->has_cpus = !line->no;
    config->cpus_line = line->parser->line;
    if (!line->no)
        config_check_cpus(line);
    return 0;
}

// ---- Interfaces ------------------------------------------------------------------------------

// "eth0, eth1" into buf, for the user who named another.
static const char *port_names(char *buf, size_t size)
{
    size_t at = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < port_count() && at < size; i++)
        at += (size_t)fmt_snprint(buf + at, size - at, i ? ", %s" : "%s", port_get(i)->name);
    return port_count() ? buf : "no network ports";
}

// An interface may have several blocks; they add up, as in vtysh.
static int set_interface(struct config_line *line)
{
    const struct port *port = port_by_name(line->argv[0]);
    if (!port) {
        char names[120];
        if (!line->no)
            line->parser->block = PORT_MAX; // its lines are still checked
        return config_wrong(line, "no interface '%.20s' (this machine has %s)", line->argv[0],
                            port_names(names, sizeof(names)));
    }
    struct config_interface *interface = &line->parser->config->interfaces[port->number];
    if (line->no) {
        memset(interface, 0, sizeof(*interface));
        return 0;
    }
    interface->present = true;
    line->parser->block = port->number;
    return 0;
}

// As it was typed, blanks inside included.
static int set_description(struct config_line *line)
{
    const char *text = line->no ? "" : line->rest;
    size_t len = strlen(text);
    if (len >= CONFIG_DESCRIPTION_MAX)
        return config_wrong(line, "description longer than %d characters",
                            CONFIG_DESCRIPTION_MAX - 1);
    memcpy(block_of(line)->description, text, len + 1);
    return 0;
}

static int set_shutdown(struct config_line *line)
{
    block_of(line)->shutdown = !line->no;
    return 0;
}

static int set_host_only(struct config_line *line)
{
    block_of(line)->host_only = !line->no;
    return 0;
}

// More than the port came with would need larger receive buffers than it has posted.
static int set_mtu(struct config_line *line)
{
    const struct port *port = port_get((unsigned)line->parser->block);
    unsigned most = port ? config_port_mtu(port) : UINT16_MAX;
    uint64_t mtu = 0;
    if (!line->no && (parse_u64(line->argv[0], SIZE_MAX, &mtu) || mtu < MTU_MIN || mtu > most))
        return config_wrong(line, "MTU '%.40s' is not %d to %u", line->argv[0], MTU_MIN, most);
    block_of(line)->mtu = (uint16_t)mtu;
    return 0;
}

static int find_address(const struct config_interface *interface, uint32_t addr)
{
    for (int i = 0; i < interface->address_count; i++) {
        if (interface->addresses[i].addr == addr)
            return i;
    }
    return -1;
}

// The order of the others stays: the first is the primary one, which our own packets carry.
static int drop_address(struct config_line *line, uint32_t addr, unsigned len)
{
    struct config_interface *interface = block_of(line);
    int at = find_address(interface, addr);
    if (at < 0 || interface->addresses[at].len != len)
        return config_wrong(line, "%s is not configured here", line->argv[0]);
    size_t behind = (size_t)(--interface->address_count - at);
    memmove(&interface->addresses[at], &interface->addresses[at + 1],
            behind * sizeof(interface->addresses[0]));
    memmove(&interface->lines[at], &interface->lines[at + 1], behind * sizeof(interface->lines[0]));
    return 0;
}

static int add_address(struct config_line *line, uint32_t addr, unsigned len)
{
    struct config_interface *interface = block_of(line);
    int at = find_address(interface, addr);
    if (at >= 0 && line->parser->interactive && interface->addresses[at].len == len)
        return 0; // pasted again
    if (config_check_subnet(line, addr, len) || config_check_overlap(line, addr, len))
        return -EINVAL;
    if (interface->address_count == IP4_ADDRESSES_MAX)
        return config_wrong(line, "more than %d addresses", IP4_ADDRESSES_MAX);
    at = interface->address_count++;
    interface->addresses[at] = (struct ip4_address){addr, (uint8_t)len};
    interface->lines[at] = line->parser->line;
    return 0;
}

static int set_address(struct config_line *line)
{
    uint32_t addr;
    uint8_t len;
    if (line->no && !line->argc) {
        block_of(line)->address_count = 0;
        return 0;
    }
    if (ip4_parse_prefix(line->argv[0], &addr, &len))
        return config_wrong(line, "'%.40s' is not an address with prefix length (A.B.C.D/L)",
                            line->argv[0]);
    return line->no ? drop_address(line, addr, len) : add_address(line, addr, len);
}

static int find_address6(const struct config_interface *interface, const struct ip6_prefix *want)
{
    for (int i = 0; i < interface->address6_count; i++) {
        if (memcmp(&interface->addresses6[i], want, sizeof(*want)) == 0)
            return i;
    }
    return -1;
}

static int drop_address6(struct config_line *line, int at)
{
    struct config_interface *interface = block_of(line);
    if (at < 0)
        return config_wrong(line, "%s is not configured here", line->argv[0]);
    size_t behind = (size_t)(--interface->address6_count - at);
    memmove(&interface->addresses6[at], &interface->addresses6[at + 1],
            behind * sizeof(interface->addresses6[0]));
    return 0;
}

static int set_address6(struct config_line *line)
{
    struct config_interface *interface = block_of(line);
    struct ip6_prefix prefix;
    if (line->no && !line->argc) {
        interface->address6_count = 0;
        return 0;
    }
    // Multicast (RFC 4291 section 2.7) is no interface's address, nor is the unspecified one.
    static const uint8_t unspecified[16];
    if (ip6_parse_prefix(line->argv[0], &prefix) || prefix.addr[0] == 0xff || !prefix.len ||
        memcmp(prefix.addr, unspecified, 16) == 0)
        return config_wrong(line, "'%.50s' is not an IPv6 address with prefix length (X:X::X/L)",
                            line->argv[0]);
    int at = find_address6(interface, &prefix);
    if (line->no)
        return drop_address6(line, at);
    if (at >= 0 && !line->parser->interactive)
        return config_wrong(line, "%.50s was given already", line->argv[0]);
    if (at < 0 && interface->address6_count == ARRAY_SIZE(interface->addresses6))
        return config_wrong(line, "more than %zu addresses", ARRAY_SIZE(interface->addresses6));
    if (at < 0)
        interface->addresses6[interface->address6_count++] = prefix;
    config_complain(line->parser->report, CONFIG_WARNING, line->parser->line,
                    "'ipv6 address %.50s' is kept but has no effect in this version",
                    line->argv[0]);
    return 0;
}

// ---- Neighbours and routes -------------------------------------------------------------------

// Index of the entry in configure mode, where lines are few; texts are checked by sorting.
static long find_neighbour(const struct config *config, uint32_t addr)
{
    for (size_t i = 0; i < config->neighbour_count; i++) {
        if (config->neighbours[i].addr == addr)
            return (long)i;
    }
    return -1;
}

static int drop_neighbour(struct config_line *line, uint32_t addr)
{
    struct config *config = line->parser->config;
    long at = find_neighbour(config, addr);
    if (at < 0)
        return config_wrong(line, "no 'arp' line for %s", line->argv[0]);
    memmove(&config->neighbours[at], &config->neighbours[at + 1],
            (--config->neighbour_count - (size_t)at) * sizeof(config->neighbours[0]));
    return 0;
}

// The address decides the port, so the line names none.
static int set_arp(struct config_line *line)
{
    struct config *config = line->parser->config;
    struct config_neighbour neighbour = {.line = line->parser->line};
    if (ip4_parse(line->argv[0], &neighbour.addr) || !addr4_is_unicast(neighbour.addr))
        return config_wrong(line, "'%.40s' is not a host's IPv4 address", line->argv[0]);
    if (line->no)
        return drop_neighbour(line, neighbour.addr);
    if (mac_parse(line->argv[1], neighbour.mac))
        return config_wrong(line, "'%.40s' is not a MAC address (XX:XX:XX:XX:XX:XX)",
                            line->argv[1]);
    static const uint8_t zero[6];
    if ((neighbour.mac[0] & 1) || memcmp(neighbour.mac, zero, 6) == 0)
        return config_wrong(line, "%s is not the MAC address of one station", line->argv[1]);
    long at = line->parser->interactive ? find_neighbour(config, neighbour.addr) : -1;
    if (at < 0)
        return config_add_neighbour(config, &neighbour);
    config->neighbours[at] = neighbour;
    return 0;
}

static long find_route(const struct config *config, const struct config_route *route)
{
    for (size_t i = 0; i < config->route_count; i++) {
        if (config->routes[i].prefix == route->prefix && config->routes[i].len == route->len)
            return (long)i;
    }
    return -1;
}

static int drop_route(struct config_line *line, const struct config_route *route)
{
    struct config *config = line->parser->config;
    long at = find_route(config, route);
    const struct config_route *found = at < 0 ? NULL : &config->routes[at];
    if (!found ||
        (line->argc > 1 && (found->kind != route->kind || found->gateway != route->gateway)))
        return config_wrong(line, "no such route");
    memmove(&config->routes[at], &config->routes[at + 1],
            (--config->route_count - (size_t)at) * sizeof(config->routes[0]));
    return 0;
}

// What stands where the gateway does. The special words are whole words: a shortened one could be
// taken for a name one day.
static int parse_target(struct config_line *line, const char *text, struct config_route *route)
{
    static const struct {
        const char *name;
        enum route_kind kind;
    } special[] = {{"blackhole", ROUTE_BLACKHOLE},
                   {"reject", ROUTE_REJECT},
                   {"Null0", ROUTE_BLACKHOLE},
                   {"null0", ROUTE_BLACKHOLE}};
    for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
        if (strcmp(text, special[i].name) == 0) {
            route->kind = special[i].kind;
            return 0;
        }
    }
    route->kind = ROUTE_STATIC;
    if (ip4_parse(text, &route->gateway) || !addr4_is_unicast(route->gateway))
        return config_wrong(line, "'%.40s' is not a gateway (A.B.C.D, blackhole or reject)", text);
    return 0;
}

// Destinations that no host has (RFC 1122 section 3.2.1.3) may be thrown away but not forwarded; a
// shorter prefix that merely contains them, such as the default route, is fine.
static int parse_route(struct config_line *line, struct config_route *route)
{
    char right[PREFIX4_TEXT_MAX];
    const char *prefix = line->argv[0];
    *route = (struct config_route){.line = line->parser->line, .kind = ROUTE_STATIC};
    if (ip4_parse_prefix(prefix, &route->prefix, &route->len))
        return config_wrong(line, "'%.40s' is not a prefix (A.B.C.D/L)", prefix);
    uint32_t network = route->prefix & prefix4_mask(route->len);
    if (network != route->prefix)
        return config_wrong(line, "%s has host bits set; the prefix is %s", prefix,
                            ip4_format_prefix(network, route->len, right));
    int err = line->argc > 1 ? parse_target(line, line->argv[1], route) : 0;
    uint32_t top = network >> 24;
    if (!err && !line->no && route->kind == ROUTE_STATIC && route->len >= 4 &&
        (top >= 224 || (top == 127 && route->len >= 8)))
        return config_wrong(line, "%s is not a unicast destination", prefix);
    return err;
}

static int set_route(struct config_line *line)
{
    struct config *config = line->parser->config;
    struct config_route route;
    int err = parse_route(line, &route);
    if (err)
        return err;
    if (line->no)
        return drop_route(line, &route);
    long at = line->parser->interactive ? find_route(config, &route) : -1;
    if (at < 0)
        return config_add_route(config, &route);
    config->routes[at] = route;
    return 0;
}

// `exit` and `end`: run_rule() has left the block already.
static int leave_block(struct config_line *line)
{
    line->parser->block = CONFIG_NO_BLOCK;
    return 0;
}

const struct config_rule config_rules[] = {
    // verb; handler; arguments from, to; from with `no`; in a block; `no` in a text
    {{"hostname", "NAME", "name of this machine"}, set_hostname, 1, 1, 0, false, false},
    {{"interface", "PORT", "settings of a port"}, set_interface, 1, 1, 1, false, false},
    {{"description", "TEXT", "what the port is for"},
     set_description,
     1,
     CONFIG_ANY_ARGS,
     0,
     true,
     false},
    {{"ip address", "A.B.C.D/L", "IPv4 address of the port"}, set_address, 1, 1, 0, true, false},
    {{"ipv6 address", "X:X::X/L", "IPv6 address of the port"}, set_address6, 1, 1, 0, true, false},
    {{"mtu", "BYTES", "longest IP packet of the port"}, set_mtu, 1, 1, 0, true, false},
    {{"host-only", "", "never forward packets of the port"}, set_host_only, 0, 0, 0, true, true},
    {{"shutdown", "", "do not use the port"}, set_shutdown, 0, 0, 0, true, true},
    {{"arp", "A.B.C.D MAC", "static neighbour"}, set_arp, 2, 2, 1, false, false},
    {{"ip route", "A.B.C.D/L GATEWAY|blackhole|reject", "static route"},
     set_route,
     2,
     2,
     1,
     false,
     false},
    {{"forwarding cpus", "LIST", "CPUs that only forward, e.g. 1-3"},
     set_cpus,
     1,
     1,
     0,
     false,
     false},
    {{"log level", "0-7", "log lines that reach the console"},
     set_log_level,
     1,
     1,
     0,
     false,
     false},
    {{"exit", "", "end an interface block"}, leave_block, 0, 0, -1, false, false},
    {{"end", "", "end an interface block"}, leave_block, 0, 0, -1, false, false},
};

const struct verb_table config_verbs = {config_rules, sizeof(config_rules[0]),
                                        ARRAY_SIZE(config_rules), NULL};

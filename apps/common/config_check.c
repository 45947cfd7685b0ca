// SPDX-License-Identifier: BSD-2-Clause
//
// Checks of meaning: addresses that cannot be an interface's, subnets that overlap, destinations
// and neighbours given twice. Some run as a line is read, those that need all lines at the end.

#include <stdlib.h>

#include "apps/common/config_rules.h"
#include "core/lib/fmt.h"

int config_check_subnet(struct config_line *line, uint32_t addr, unsigned len)
{
    const char *text = line->argv[0];
    char prefix[PREFIX4_TEXT_MAX];
    if (!addr4_is_unicast(addr))
        return config_wrong(line, "%s is not an address that a host may have", text);
    if (len == 0)
        return config_wrong(line, "the prefix length of an interface is 1 to 32");
    // RFC 1122 section 3.2.1.3; a /31 has neither of the two (RFC 3021), a /32 is all host.
    uint32_t host = addr & ~prefix4_mask(len);
    if (len <= 30 && (host == 0 || host == ~prefix4_mask(len)))
        return config_wrong(line, "%s is the %s address of %s", text,
                            host ? "broadcast" : "network",
                            ip4_format_prefix(addr & prefix4_mask(len), len, prefix));
    return 0;
}

// " (line 7)", or nothing for what was typed.
struct line_note {
    char text[24];
};
static struct line_note line_note(unsigned line)
{
    struct line_note note = {""};
    if (line)
        fmt_snprint(note.text, sizeof(note.text), " (line %u)", line);
    return note;
}

// Two subnets of one port may overlap (a second address in the same subnet is common); those of two
// ports may not, or the port towards a host would depend on the order of lines.
static int check_overlap_with(struct config_line *line, unsigned number, uint32_t addr,
                              unsigned len)
{
    const struct config_interface *other = &line->parser->config->interfaces[number];
    bool own = (int)number == line->parser->block;
    char prefix[PREFIX4_TEXT_MAX];
    for (unsigned i = 0; i < other->address_count; i++) {
        const struct ip4_address *have = &other->addresses[i];
        struct line_note note = line_note(other->lines[i]);
        if (have->addr == addr)
            return config_wrong(line, "%s is an address of %s already%s",
                                ip4_format_prefix(addr, have->len, prefix), port_get(number)->name,
                                note.text);
        if (!own && prefix4_same(have->addr, addr, MIN(have->len, len)))
            return config_wrong(line, "%s overlaps with %s of %s%s", line->argv[0],
                                ip4_format_prefix(have->addr, have->len, prefix),
                                port_get(number)->name, note.text);
    }
    return 0;
}

// At most PORT_MAX x IP4_ADDRESSES_MAX comparisons a line: a search tree would be longer than that.
int config_check_overlap(struct config_line *line, uint32_t addr, unsigned len)
{
    int err = 0;
    if (line->parser->block == PORT_MAX)
        return 0; // an interface that does not exist is reported already
    for (unsigned number = 0; number < port_count() && !err; number++)
        err = check_overlap_with(line, number, addr, len);
    return err;
}

static int compare(uint64_t a, uint64_t b) { return (a > b) - (a < b); }

// By destination, then by line, so that of two the later one is the wrong one.
static int compare_routes(const void *a, const void *b)
{
    const struct config_route *x = a, *y = b;
    int order = compare(x->prefix, y->prefix);
    order = order ? order : compare(x->len, y->len);
    return order ? order : compare(x->line, y->line);
}

static int compare_neighbours(const void *a, const void *b)
{
    const struct config_neighbour *x = a, *y = b;
    int order = compare(x->addr, y->addr);
    return order ? order : compare(x->line, y->line);
}

enum owner { OWNER_NONE, OWNER_SUBNET, OWNER_SELF };

// What the interfaces say about an address: nothing, in a subnet of theirs, or their own.
static enum owner owner_of(const struct config *config, uint32_t addr)
{
    enum owner owner = OWNER_NONE;
    for (unsigned number = 0; number < PORT_MAX; number++) {
        const struct config_interface *interface = &config->interfaces[number];
        for (unsigned i = 0; i < interface->address_count; i++) {
            if (interface->addresses[i].addr == addr)
                return OWNER_SELF;
            if (prefix4_same(interface->addresses[i].addr, addr, interface->addresses[i].len))
                owner = OWNER_SUBNET;
        }
    }
    return owner;
}

// A gateway that nobody can reach is a warning, as in FRR: the subnet may be configured later. One
// that is this machine itself can only be a mistake. Warnings are held back once there are errors:
// a wrong `ip address` line would draw one for each of its routes.
static void check_route(const struct config *config, size_t at, struct config_report *report)
{
    const struct config_route *route = &config->routes[at];
    const struct config_route *before = at ? route - 1 : NULL;
    char text[PREFIX4_TEXT_MAX];
    if (before && before->prefix == route->prefix && before->len == route->len) {
        config_complain(report, CONFIG_ERROR, route->line, "%s has a route already%s",
                        ip4_format_prefix(route->prefix, route->len, text),
                        line_note(before->line).text);
        return;
    }
    if (route->kind != ROUTE_STATIC)
        return;
    enum owner owner = owner_of(config, route->gateway);
    if (owner == OWNER_SELF)
        config_complain(report, CONFIG_ERROR, route->line,
                        "gateway %s is an address of this machine",
                        ip4_format(route->gateway, text));
    else if (owner == OWNER_NONE && !report->count[CONFIG_ERROR])
        config_complain(report, CONFIG_WARNING, route->line,
                        "gateway %s is in no subnet of an interface: the route is inactive",
                        ip4_format(route->gateway, text));
}

static void check_neighbour(const struct config *config, size_t at, struct config_report *report)
{
    const struct config_neighbour *neighbour = &config->neighbours[at];
    const struct config_neighbour *before = at ? neighbour - 1 : NULL;
    char text[IP4_TEXT_MAX];
    ip4_format(neighbour->addr, text);
    enum owner owner = owner_of(config, neighbour->addr);
    if (before && before->addr == neighbour->addr)
        config_complain(report, CONFIG_ERROR, neighbour->line, "%s has an 'arp' line already%s",
                        text, line_note(before->line).text);
    else if (owner == OWNER_SELF)
        config_complain(report, CONFIG_ERROR, neighbour->line, "%s is an address of this machine",
                        text);
    else if (owner == OWNER_NONE && !report->count[CONFIG_ERROR])
        config_complain(report, CONFIG_WARNING, neighbour->line,
                        "%s is in no subnet of an interface: the entry is inactive", text);
}

// Sorting serves three: finding duplicates, the merging walk of config_apply.c, and a text in a
// fixed order.
int config_finish(struct config *config, struct config_report *report)
{
    unsigned before = report->count[CONFIG_ERROR];
    if (config->route_count)
        qsort(config->routes, config->route_count, sizeof(config->routes[0]), compare_routes);
    if (config->neighbour_count)
        qsort(config->neighbours, config->neighbour_count, sizeof(config->neighbours[0]),
              compare_neighbours);
    for (size_t i = 0; i < config->neighbour_count; i++)
        check_neighbour(config, i, report);
    for (size_t i = 0; i < config->route_count; i++)
        check_route(config, i, report);
    return report->count[CONFIG_ERROR] == before ? 0 : -EINVAL;
}

// SPDX-License-Identifier: BSD-2-Clause
//
// The canonical text of a configuration: one fixed order, defaults left out. Parsed again it
// gives an equal model.

#include "apps/common/config_rules.h"
#include "core/lib/fmt.h"

struct printer {
    config_line_t emit;
    void *arg;
};

static void print(const struct printer *printer, const char *fmt, ...) __printf_like(2, 3);
static void print(const struct printer *printer, const char *fmt, ...)
{
    char line[LINE_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    fmt_vsnprint(line, sizeof(line), fmt, args);
    va_end(args);
    printer->emit(printer->arg, line);
}

static void print_interface(const struct printer *printer, const char *name,
                            const struct config_interface *interface)
{
    char text[IP6_TEXT_MAX];
    print(printer, "interface %s", name);
    if (interface->description[0])
        print(printer, " description %s", interface->description);
    for (unsigned i = 0; i < interface->address_count; i++)
        print(printer, " ip address %s/%u", ip4_format(interface->addresses[i].addr, text),
              interface->addresses[i].len);
    for (unsigned i = 0; i < interface->address6_count; i++)
        print(printer, " ipv6 address %s/%u", ip6_format(interface->addresses6[i].addr, text),
              interface->addresses6[i].len);
    if (interface->mtu)
        print(printer, " mtu %u", interface->mtu);
    if (interface->host_only)
        print(printer, " host-only");
    if (interface->shutdown)
        print(printer, " shutdown");
    print(printer, "!");
}

// `Null0` is accepted as another name of blackhole and printed as the latter.
static void print_route(const struct printer *printer, const struct config_route *route)
{
    char prefix[PREFIX4_TEXT_MAX], gateway[IP4_TEXT_MAX];
    const char *target = route->kind == ROUTE_BLACKHOLE ? "blackhole"
                         : route->kind == ROUTE_REJECT  ? "reject"
                                                        : ip4_format(route->gateway, gateway);
    print(printer, "ip route %s %s", ip4_format_prefix(route->prefix, route->len, prefix), target);
}

// Interfaces before neighbours and routes: a reader meets a subnet before what lies in it. The
// order makes no difference to the parser.
void config_print(const struct config *config, config_line_t emit, void *arg)
{
    const struct printer printer = {emit, arg};
    char text[LINE_TEXT_MAX];
    print(&printer, "hostname %s", config->hostname);
    if (config->log_level >= 0)
        print(&printer, "log level %d", config->log_level);
    for (unsigned i = 0; i < port_count(); i++) {
        if (config->interfaces[i].present)
            print_interface(&printer, port_get(i)->name, &config->interfaces[i]);
    }
    for (size_t i = 0; i < config->neighbour_count; i++)
        print(&printer, "arp %s %s", ip4_format(config->neighbours[i].addr, text),
              mac_format(config->neighbours[i].mac, text + IP4_TEXT_MAX));
    for (size_t i = 0; i < config->route_count; i++)
        print_route(&printer, &config->routes[i]);
    if (config->has_cpus) {
        config_format_cpus(config->cpus, text, sizeof(text));
        print(&printer, "forwarding cpus %s", text);
    }
}

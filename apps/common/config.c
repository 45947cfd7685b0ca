// SPDX-License-Identifier: BSD-2-Clause
//
// The configuration model: memory, comparison, and the reports that parsing and applying make
// about it (contract in config.h).

#include "apps/common/config.h"

#include <string.h>

#include "apps/common/memory.h"
#include "core/lib/fmt.h"
#include "mm/slab.h"

MEM_ACCOUNT(config, "config");

// Foreign text makes foreign numbers of findings: beyond the limit they are counted, not formatted,
// so that a megabyte of nonsense does not keep the console busy for minutes.
void config_complain(struct config_report *report, enum config_severity severity, unsigned line,
                     const char *fmt, ...)
{
    if (report->count[severity]++ >= CONFIG_REPORTS_MAX)
        return;
    char text[240];
    va_list args;
    va_start(args, fmt);
    fmt_vsnprint(text, sizeof(text), fmt, args);
    va_end(args);
    report->emit(report, severity, line, text);
}

void config_report_end(struct config_report *report)
{
    static const char *const name[] = {"warnings", "errors"};
    for (int kind = CONFIG_ERROR; kind >= CONFIG_WARNING; kind--) {
        if (report->count[kind] <= CONFIG_REPORTS_MAX)
            continue;
        char text[64];
        fmt_snprint(text, sizeof(text), "%u further %s not shown",
                    report->count[kind] - CONFIG_REPORTS_MAX, name[kind]);
        report->emit(report, (enum config_severity)kind, 0, text);
    }
}

// Defaults that are not zero are set here; config_print() leaves out what is at its default.
struct config *config_new(void)
{
    struct config *config = kcalloc(1, sizeof(*config), GFP_CONFIG);
    if (!config)
        return NULL;
    memcpy(config->hostname, CONFIG_HOSTNAME_DEFAULT, sizeof(CONFIG_HOSTNAME_DEFAULT));
    config->log_level = -1;
    return config;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    kfree(config->routes);
    kfree(config->neighbours);
    kfree(config);
}

// A copy of count elements; NULL without any, *failed when there was no memory.
static void *copy_array(const void *from, size_t count, size_t bytes, bool *failed)
{
    if (!count)
        return NULL;
    void *to = kmalloc(count * bytes, GFP_CONFIG);
    if (to)
        memcpy(to, from, count * bytes);
    *failed |= !to;
    return to;
}

struct config *config_copy(const struct config *from)
{
    struct config *to = kmalloc(sizeof(*to), GFP_CONFIG);
    if (!to)
        return NULL;
    *to = *from;
    bool failed = false;
    to->routes = copy_array(from->routes, from->route_count, sizeof(*to->routes), &failed);
    to->route_room = to->route_count;
    to->neighbours =
        copy_array(from->neighbours, from->neighbour_count, sizeof(*to->neighbours), &failed);
    to->neighbour_room = to->neighbour_count;
    if (failed) {
        config_free(to);
        return NULL;
    }
    return to;
}

// Makes room for one more element in an array that doubles up to `max`.
static int grow(void **array, size_t count, size_t *room, size_t max, size_t bytes)
{
    if (count < *room)
        return 0;
    if (count >= max)
        return -ENOSPC;
    size_t wanted = MIN(MAX(*room * 2, 8u), max);
    void *bigger = krealloc(*array, wanted * bytes, GFP_CONFIG);
    if (!bigger)
        return -ENOMEM;
    *array = bigger;
    *room = wanted;
    return 0;
}

// Appending does not look for duplicates: that is one sort at the end instead of a search a line.
int config_add_route(struct config *config, const struct config_route *route)
{
    void *array = config->routes;
    int err =
        grow(&array, config->route_count, &config->route_room, CONFIG_ROUTES_MAX, sizeof(*route));
    config->routes = array;
    if (!err)
        config->routes[config->route_count++] = *route;
    return err;
}

int config_add_neighbour(struct config *config, const struct config_neighbour *neighbour)
{
    void *array = config->neighbours;
    int err = grow(&array, config->neighbour_count, &config->neighbour_room, CONFIG_NEIGHBOURS_MAX,
                   sizeof(*neighbour));
    config->neighbours = array;
    if (!err)
        config->neighbours[config->neighbour_count++] = *neighbour;
    return err;
}

// Compares what the text says. Line numbers are where it was said, so they do not count.
static bool interface_equal(const struct config_interface *a, const struct config_interface *b)
{
    if (a->present != b->present || a->shutdown != b->shutdown || a->host_only != b->host_only ||
        a->mtu != b->mtu || a->address_count != b->address_count ||
        a->address6_count != b->address6_count || strcmp(a->description, b->description) != 0)
        return false;
    for (unsigned i = 0; i < a->address_count; i++) {
        if (a->addresses[i].addr != b->addresses[i].addr ||
            a->addresses[i].len != b->addresses[i].len)
            return false;
    }
    return memcmp(a->addresses6, b->addresses6, a->address6_count * sizeof(a->addresses6[0])) == 0;
}

static bool routes_equal(const struct config *a, const struct config *b)
{
    if (a->route_count != b->route_count)
        return false;
    for (size_t i = 0; i < a->route_count; i++) {
        const struct config_route *x = &a->routes[i], *y = &b->routes[i];
        if (x->prefix != y->prefix || x->len != y->len || x->kind != y->kind ||
            x->gateway != y->gateway)
            return false;
    }
    return true;
}

static bool neighbours_equal(const struct config *a, const struct config *b)
{
    if (a->neighbour_count != b->neighbour_count)
        return false;
    for (size_t i = 0; i < a->neighbour_count; i++) {
        if (a->neighbours[i].addr != b->neighbours[i].addr ||
            memcmp(a->neighbours[i].mac, b->neighbours[i].mac, 6) != 0)
            return false;
    }
    return true;
}

bool config_equal(const struct config *a, const struct config *b)
{
    for (unsigned i = 0; i < PORT_MAX; i++) {
        if (!interface_equal(&a->interfaces[i], &b->interfaces[i]))
            return false;
    }
    return strcmp(a->hostname, b->hostname) == 0 && a->log_level == b->log_level &&
           a->has_cpus == b->has_cpus && memcmp(a->cpus, b->cpus, sizeof(a->cpus)) == 0 &&
           routes_equal(a, b) && neighbours_equal(a, b);
}

// SPDX-License-Identifier: BSD-2-Clause
//
// Matching of device-tree nodes with drivers. A node's compatible list goes from the most specific
// name to the most general one; the first driver in that order gets the node.

#include "drivers/driver.h"

#include <string.h>

#include "core/debug/log.h"

TABLE_DECLARE(struct dt_driver, dt_driver);

static const struct dt_driver *driver_named(const char *compatible, size_t len)
{
    TABLE_FOREACH (struct dt_driver, driver, dt_driver) {
        if (strncmp(driver->compatible, compatible, len) == 0 && !driver->compatible[len])
            return driver;
    }
    return NULL;
}

static const struct dt_driver *driver_for(const struct dt_node *node)
{
    if (!node->compatible) // known from the walk: most nodes have none
        return NULL;
    int len;
    const char *text = dt_property(node, "compatible", &len);
    size_t left = text ? (size_t)len : 0;
    while (left) {
        size_t part = strnlen(text, left);
        const struct dt_driver *driver = driver_named(text, part);
        if (driver)
            return driver;
        part = MIN(part + 1, left);
        text += part;
        left -= part;
    }
    return NULL;
}

// A device is there only if all buses above it are (section 2.3.4: status).
static bool is_reachable(const struct dt_node *node)
{
    for (; node; node = dt_parent(node)) {
        if (!dt_is_available(node))
            return false;
    }
    return true;
}

// A device that fails leaves the others alone: its reason is logged.
void drivers_probe(enum driver_stage stage)
{
    for (const struct dt_node *node = dt_next(NULL); node; node = dt_next(node)) {
        const struct dt_driver *driver = driver_for(node);
        if (!driver || driver->stage != stage || !is_reachable(node))
            continue;
        int err = driver->probe(node);
        if (err)
            log_warn("%s: driver %s failed (%d)", node->name, driver->compatible, err);
    }
}

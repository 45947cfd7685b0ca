// SPDX-License-Identifier: BSD-2-Clause
//
// Start-up of the network layer.

#include "net/net.h"

#include "core/debug/log.h"
#include "net/fastpath.h"
#include "net/ip4.h"
#include "net/neigh_table.h"
#include "net/nexthop.h"
#include "net/pool.h"

int net_init(void)
{
    int err = pool_init();
    if (err) {
        log_err("net: no memory for packets");
        return err;
    }
    err = fib4_init(&ip4_fib);
    if (!err)
        err = nexthop_init();
    if (err) {
        log_err("net: no memory for the forwarding table");
        return err;
    }
    ip4_init();
    neigh_init();
    err = fastpath_init();
    return err ? err : port_init();
}

// SPDX-License-Identifier: BSD-2-Clause
//
// Names of the drop reasons, for tables and metrics.

#include "net/port.h"

static const char *const names[DROP_REASONS] = {
    [DROP_NONE] = "none",
    [DROP_RX_RUNT] = "rx-runt",
    [DROP_RX_OVERSIZE] = "rx-oversize",
    [DROP_NOT_FOR_US] = "not-for-us",
    [DROP_SRC_MAC] = "source-mac",
    [DROP_ETHERTYPE] = "ethertype",
    [DROP_VLAN] = "vlan",
    [DROP_IP_HEADER] = "ip-header",
    [DROP_IP_CHECKSUM] = "ip-checksum",
    [DROP_IP_OPTIONS] = "ip-options",
    [DROP_MARTIAN_SRC] = "martian-source",
    [DROP_MARTIAN_DST] = "martian-destination",
    [DROP_TTL] = "ttl",
    [DROP_NO_ROUTE] = "no-route",
    [DROP_NEIGHBOUR] = "neighbour",
    [DROP_DF] = "dont-fragment",
    [DROP_FRAGMENT] = "fragment",
    [DROP_L2_BROADCAST] = "l2-broadcast",
    [DROP_BROADCAST] = "broadcast",
    [DROP_BLACKHOLE] = "blackhole",
    [DROP_ARP] = "arp",
    [DROP_NO_ADDRESS] = "no-address",
    [DROP_LOCAL_PROTO] = "local-protocol",
    [DROP_ICMP_RATE] = "icmp-rate",
    [DROP_TX_FULL] = "tx-full",
    [DROP_TX_LINK] = "tx-link",
    [DROP_NO_BUFFER] = "no-buffer",
    [DROP_HOST_ONLY] = "host-only",
};

const char *drop_reason_name(enum drop_reason why)
{
    return (unsigned)why < DROP_REASONS && names[why] ? names[why] : "unknown";
}

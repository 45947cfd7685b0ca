# SPDX-License-Identifier: BSD-2-Clause
#
# The one topology of all measurements, as the design's example configuration has it:
#
#   peer 192.0.2.2 -- eth0 192.0.2.1 [router] eth1 198.51.100.1 -- peer 198.51.100.2
#
# and one route, 198.18.0.0/15 (the benchmarking addresses of RFC 2544) by the second peer.

from lib.vm import PEER_MACS, PORT_MACS

DUT_IPS = ["192.0.2.1", "198.51.100.1"]
PEER_IPS = ["192.0.2.2", "198.51.100.2"]
DUT_MACS = PORT_MACS
ROUTE = "198.18.0.0/15"
DESTINATION = "198.18.0.1"

CONFIG = f"""hostname bench
interface eth0
 ip address {DUT_IPS[0]}/24
!
interface eth1
 ip address {DUT_IPS[1]}/24
!
arp {PEER_IPS[1]} {PEER_MACS[1]}
ip route {ROUTE} {PEER_IPS[1]}
"""

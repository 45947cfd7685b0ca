// SPDX-License-Identifier: BSD-2-Clause
//
// lwIP 2.2.1 as the host stack: what is addressed to this machine, and what it sends itself. All
// that belongs to the forwarder is off: forwarding, ARP, neighbour discovery, addresses by router
// advertisement, Ethernet. Interfaces, addresses, routes and neighbours are the fast path's.
//
// lwip/opt.h describes every option; here stand those that differ from its defaults, or that we
// rely on, with the reason where the name does not say it.

#pragma once

// clang-format off: a table, read by its columns.

// ---- Threads and locks ------------------------------------------------------------------------

// One core thread runs timers and input. Socket calls of other threads run lwIP's code in place,
// under the core lock: no message and no thread switch for each call.
#define NO_SYS                          0
#define LWIP_TCPIP_CORE_LOCKING         1
// Packets come in bursts through the punt ring, which the core thread empties under one taking of
// the lock, into ip_input(); nothing posts single packets to it.
#define LWIP_TCPIP_CORE_LOCKING_INPUT   0
// Reference counts of pbufs also change where the core lock is not held (a driver that has sent
// one): sys_arch_protect() is a spinlock with interrupts off; off alone protects one CPU only.
#define SYS_LIGHTWEIGHT_PROT            1
void host_assert_core_locked(void); // panics in debug builds if the caller has no core lock
#define LWIP_ASSERT_CORE_LOCKED()       host_assert_core_locked()

// One thread may send while another receives on the same socket, or closes it.
#define LWIP_NETCONN_FULLDUPLEX         1
#define LWIP_NETCONN_SEM_PER_THREAD     1

#define TCPIP_THREAD_NAME               "lwip"
#define TCPIP_THREAD_STACKSIZE          16384 // bytes; deepest: reassembly, TCP, socket event
#define TCPIP_THREAD_PRIO               1     // the port's own scale: above applications
#define DEFAULT_THREAD_STACKSIZE        16384

// Messages that a queue holds. When it is full, TCP keeps the data and does not open its window;
// UDP and raw drop. The accept queue holds the largest backlog: a full one would reset connections.
#define TCPIP_MBOX_SIZE                 256
#define DEFAULT_ACCEPTMBOX_SIZE         255
#define DEFAULT_TCP_RECVMBOX_SIZE       128
#define DEFAULT_UDP_RECVMBOX_SIZE       256
#define DEFAULT_RAW_RECVMBOX_SIZE       64

// ---- Memory -----------------------------------------------------------------------------------

// All of it by malloc (core/posix): what is not used costs nothing, and slab caches have lists for
// each CPU where lwIP's heap is one list under one lock. Sizes of pools then no longer limit; the
// MEMP_NUM_* that are left here dimension arrays, or are checked against each other.
#define MEM_LIBC_MALLOC                 1
#define MEMP_MEM_MALLOC                 1
#define MEM_ALIGNMENT                   8

#define MEMP_NUM_TCP_PCB                4096
#define MEMP_NUM_TCP_PCB_LISTEN         64
#define MEMP_NUM_UDP_PCB                128
#define MEMP_NUM_RAW_PCB                64
// Sockets of all kinds: this one is a limit (an array in sockets.c), and checked against the sum.
#define MEMP_NUM_NETCONN                                                                           \
    (MEMP_NUM_TCP_PCB + MEMP_NUM_TCP_PCB_LISTEN + MEMP_NUM_UDP_PCB + MEMP_NUM_RAW_PCB)

// A packet of the fast path is handed over in place, with its pbuf in the headroom.
#define LWIP_SUPPORT_CUSTOM_PBUF        1
// Segments in flight refer to one page of a file many times; the default of 8 bits wraps.
#define LWIP_PBUF_REF_T                 u32_t
// Ethernet's 14 and two more: the headers behind it are then aligned to four bytes.
#define PBUF_LINK_HLEN                  16

// ---- Interfaces -------------------------------------------------------------------------------

// The netif's output goes into the fast path's lookup, which has the one neighbour table.
#define LWIP_ARP                        0
#define LWIP_ETHERNET                   0
#define LWIP_NETIF_HOSTNAME             1 // for DHCP
#define LWIP_NETIF_EXT_STATUS_CALLBACK  1 // an address from DHCP is told to the fast path
#define LWIP_NETIF_API                  1
#define LWIP_HAVE_LOOPIF                1
#define LWIP_NETIF_LOOPBACK             1
#define LWIP_LOOPBACK_MAX_PBUFS         1024 // else a sender without a reader takes all memory

// By default in software; each netif turns off what its port does in hardware, or has verified.
#define LWIP_CHECKSUM_CTRL_PER_NETIF    1
#define CHECKSUM_GEN_IP                 1
#define CHECKSUM_GEN_UDP                1
#define CHECKSUM_GEN_TCP                1
#define CHECKSUM_GEN_ICMP               1
#define CHECKSUM_GEN_ICMP6              1
#define CHECKSUM_CHECK_IP               1
#define CHECKSUM_CHECK_UDP              1
#define CHECKSUM_CHECK_TCP              1
#define CHECKSUM_CHECK_ICMP             1
#define CHECKSUM_CHECK_ICMP6            1
// It would sum every byte sent, also where the port does that; and it knows no netif.
#define LWIP_CHECKSUM_ON_COPY           0

// ---- IPv4 -------------------------------------------------------------------------------------

#define LWIP_IPV4                       1
// lwIP's forwarding sends wrong checksums (2.2.1, software checksums) and is not RFC 1812's.
#define IP_FORWARD                      0
#define IP_OPTIONS_ALLOWED              1
#define IP_FRAG                         1
#define IP_REASSEMBLY                   1
#define IP_REASS_MAXAGE                 60  // seconds, RFC 1122 3.3.2
// Fragments held, for each of IPv4 and IPv6: eleven datagrams of 64 KiB. The oldest yield.
#define IP_REASS_MAX_PBUFS              512
#define MEMP_NUM_REASSDATA              64
#define IP_SOF_BROADCAST                1 // sending to a broadcast address needs SO_BROADCAST
#define LWIP_ICMP                       1 // port and protocol unreachable, errors to sockets
#define LWIP_BROADCAST_PING             0 // the fast path answers echo requests; none comes here
#define LWIP_MULTICAST_PING             0
#define LWIP_IGMP                       1
#define LWIP_MULTICAST_TX_OPTIONS       1
#define LWIP_RAW                        1
#define LWIP_DHCP                       1
// These two need lwIP's ARP; probes for conflicts are the neighbour table's.
#define LWIP_DHCP_DOES_ACD_CHECK        0
#define LWIP_AUTOIP                     0
#define LWIP_DHCP_GET_NTP_SRV           1

// ---- IPv6 -------------------------------------------------------------------------------------

#define LWIP_IPV6                       1
#define LWIP_IPV6_FORWARD               0
// Without it the reassembly writes its list over the header in front, where pointers have 64 bits.
#define IPV6_FRAG_COPYHEADER            1
#define LWIP_ICMP6                      1
#define LWIP_IPV6_MLD                   1
// RFC 4861 and 4862 are the fast path's: lwIP solicits nothing, learns nothing, makes no address,
// and with LWIP_ETHERNET off asks none of nd6's tables, so they are as small as they may be.
#define LWIP_IPV6_SEND_ROUTER_SOLICIT   0
#define LWIP_IPV6_AUTOCONFIG            0
#define LWIP_IPV6_ADDRESS_LIFETIMES     0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS   0
#define LWIP_ND6_ALLOW_RA_UPDATES       0
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0
#define LWIP_ND6_QUEUEING               0
#define LWIP_ND6_NUM_NEIGHBORS          1
#define LWIP_ND6_NUM_DESTINATIONS       1
#define LWIP_ND6_NUM_PREFIXES           1
#define LWIP_ND6_NUM_ROUTERS            1
#define LWIP_IPV6_NUM_ADDRESSES         8
#define LWIP_IPV6_DHCP6                 1
#define LWIP_IPV6_DHCP6_STATELESS       1 // servers' addresses only; there is no stateful client
#define LWIP_DHCP6_GET_NTP_SRV          1

// ---- UDP, TCP ---------------------------------------------------------------------------------

#define LWIP_UDP                        1
#define LWIP_NETBUF_RECVINFO            1 // the address that a datagram came to (IP_PKTINFO)
#define LWIP_TCP                        1
#define TCP_MSS                         1460 // Ethernet's; lowered by the route's MTU when sending
#define TCP_CALCULATE_EFF_SEND_MSS      1
#define LWIP_WND_SCALE                  1
#define TCP_RCV_SCALE                   3
#define TCP_WND                         (256 * 1024) // bytes; 100 Mbit/s over 20 ms
#define TCP_SND_BUF                     (256 * 1024)
// pbufs, not segments: a small write takes one of its own.
#define TCP_SND_QUEUELEN                (4 * TCP_SND_BUF / TCP_MSS)
// Writable again with so much room. The default is half the buffer, and more than the 16 bits that
// lwIP keeps for it.
#define TCP_SNDLOWAT                    (32 * 1024)
#define TCP_QUEUE_OOSEQ                 1
#define LWIP_TCP_SACK_OUT               1
// Bounds what a peer can make one connection hold without a byte for its reader.
#define TCP_OOSEQ_MAX_BYTES             TCP_WND
#define TCP_OOSEQ_MAX_PBUFS             256
#define TCP_LISTEN_BACKLOG              1 // else a SYN flood makes connections without limit
// No round trip is measured by them here and none is protected (PAWS): 12 bytes for nothing.
#define LWIP_TCP_TIMESTAMPS             0
#define LWIP_TCP_KEEPALIVE              1

// ---- Names ------------------------------------------------------------------------------------

#define LWIP_DNS                        1
#define DNS_TABLE_SIZE                  16
#define DNS_MAX_SERVERS                 3
// Random id and port for each query, and no second query for the same name meanwhile (RFC 5452).
#define LWIP_DNS_SECURE                                                                            \
    (LWIP_DNS_SECURE_RAND_XID | LWIP_DNS_SECURE_NO_MULTIPLE_OUTSTANDING |                         \
     LWIP_DNS_SECURE_RAND_SRC_PORT)

// ---- Sockets ----------------------------------------------------------------------------------

// An open file of core/posix holds a socket's number; lwIP's functions keep their prefix, and
// socket(), read(), close() and so on are core/posix's.
#define LWIP_NETCONN                    1
#define LWIP_SOCKET                     1
#define LWIP_COMPAT_SOCKETS             0
#define LWIP_POSIX_SOCKETS_IO_NAMES     0
#define LWIP_SOCKET_OFFSET              0
// poll, select and epoll are for files of all kinds, so not lwIP's. Its poll stays for the events
// of sockets that come with it.
#define LWIP_SOCKET_SELECT              0
#define LWIP_SOCKET_POLL                1
#define LWIP_SO_SNDTIMEO                1
#define LWIP_SO_RCVTIMEO                1
#define LWIP_SO_RCVBUF                  1
#define RECV_BUFSIZE_DEFAULT            TCP_WND // of UDP and raw; the default has no limit
#define LWIP_SO_LINGER                  1
#define SO_REUSE                        1
#define SO_REUSE_RXTOALL                1 // multicast and broadcast reach all that share a port
#define LWIP_FIONREAD_LINUXMODE         1

// ---- Counters ---------------------------------------------------------------------------------

#define LWIP_STATS                      1
#define LWIP_STATS_LARGE                1 // 32 bits instead of 16
#define LWIP_STATS_DISPLAY              0 // the console shows them
#define MIB2_STATS                      1 // segments, retransmissions: what `netstat` shows
#define ICMP6_STATS                     1
#define IP6_STATS                       1
#define IP6_FRAG_STATS                  1
#define MLD6_STATS                      1
// Memory is counted where it comes from (`show memory`); lwIP would keep a size in every object.
#define MEM_STATS                       0
#define SYS_STATS                       0

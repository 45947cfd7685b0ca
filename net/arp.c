// SPDX-License-Identifier: BSD-2-Clause
//
// ARP (RFC 826). Only what helps us is learned: the sender must be a possible host on a subnet of
// the port, and an entry is made only for hosts that ask for us; all other packets may update an
// entry that exists. Requests are answered for addresses of that very port.

#include "net/arp.h"

#include "core/debug/log.h"
#include "core/time/clock.h"
#include "net/egress.h"
#include "net/ethernet.h"
#include "net/interface.h"
#include "net/ip4.h"
#include "net/neigh_table.h"
#include "net/ratelimit.h"

#define ARP_REQUEST 1
#define ARP_REPLY 2
#define HARDWARE_ETHERNET 1

struct arp_message {
    be16_t hardware, protocol;
    uint8_t hardware_len, protocol_len;
    be16_t operation;
    uint8_t sender_mac[6];
    be32_t sender;
    uint8_t target_mac[6];
    be32_t target;
} __attribute__((packed));
_Static_assert(sizeof(struct arp_message) == 28, "message layout");

#define ARP_FRAME_BYTES (ETH_HEADER_BYTES + sizeof(struct arp_message))

static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static struct token_bucket conflict_log;

static struct arp_message *arp_message(const struct packet *p)
{
    return (struct arp_message *)(p->data + ETH_HEADER_BYTES);
}

// Well formed, for IPv4 over Ethernet, and from a sender that can exist.
static bool message_sane(const struct packet *p)
{
    const struct arp_message *arp = arp_message(p);
    if (p->len < ARP_FRAME_BYTES)
        return false;
    unsigned operation = be16_get(arp->operation);
    return be16_get(arp->hardware) == HARDWARE_ETHERNET &&
           be16_get(arp->protocol) == ETH_TYPE_IP4 && arp->hardware_len == 6 &&
           arp->protocol_len == 4 && (operation == ARP_REQUEST || operation == ARP_REPLY) &&
           !eth_is_group(arp->sender_mac) && eth_mac_word(arp->sender_mac) != 0;
}

static void send_message(struct port *port, const uint8_t *frame_dst, struct arp_message message)
{
    struct packet *p = packet_alloc();
    if (!p) {
        port->counters.drops[DROP_NO_BUFFER]++;
        return;
    }
    packet_reset(p);
    message.hardware = be16_make(HARDWARE_ETHERNET);
    message.protocol = be16_make(ETH_TYPE_IP4);
    message.hardware_len = 6;
    message.protocol_len = 4;
    eth_copy_mac(message.sender_mac, port->mac);
    eth_write(p->data, frame_dst, port->mac, ETH_TYPE_ARP);
    *arp_message(p) = message;
    p->len = ARP_FRAME_BYTES;
    p->flags = PACKET_LOCAL;
    egress_send(port, p);
}

static void answer(struct port *port, const struct arp_message *request)
{
    struct arp_message reply = {
        .operation = be16_make(ARP_REPLY), .sender = request->target, .target = request->sender};
    eth_copy_mac(reply.target_mac, request->sender_mac);
    send_message(port, request->sender_mac, reply);
}

void arp_request(struct port *port, uint32_t target, const uint8_t *mac)
{
    struct arp_message request = {.operation = be16_make(ARP_REQUEST),
                                  .sender = be32_make(ip4_source_for(port, target)),
                                  .target = be32_make(target)};
    if (request.sender.raw)
        send_message(port, mac ? mac : broadcast, request);
}

void arp_announce(struct port *port)
{
    struct ip4_address addresses[IP4_ADDRESSES_MAX];
    unsigned count = ip4_address_list(port, addresses, IP4_ADDRESSES_MAX);
    for (unsigned i = 0; i < count; i++) {
        be32_t own = be32_make(addresses[i].addr);
        send_message(port, broadcast,
                     (struct arp_message){
                         .operation = be16_make(ARP_REQUEST), .sender = own, .target = own});
    }
}

// Somebody else uses an address of ours: said, at most once in ten seconds, and not believed.
static void log_conflict(const struct port *port, const struct arp_message *arp)
{
    uint64_t seconds = clock_monotonic_ns() / 10;
    be32_t sender = arp->sender;
    if (token_bucket_take(&conflict_log, 1, 1, seconds))
        log_warn("%s: %pM uses our address %pI4", port->name, arp->sender_mac, &sender);
}

// True if the message is of any use to us.
static bool process(struct port *port, const struct packet *p)
{
    struct arp_message arp = *arp_message(p);
    uint32_t sender = be32_get(arp.sender), target = be32_get(arp.target);
    bool request = be16_get(arp.operation) == ARP_REQUEST;
    bool for_us = ip4_is_own(port, target);
    if (ip4_is_own(port, sender)) {
        log_conflict(port, &arp);
        return false;
    }
    // A probe (RFC 5227 section 2.1.1) has no sender address yet: answered, not learned.
    if (request && for_us && sender == 0) {
        answer(port, &arp);
        return true;
    }
    if (!ip4_is_neighbour(port, sender))
        return false;
    bool solicited = !request && for_us && !(p->flags & PACKET_L2_BROADCAST);
    neigh_heard(port, sender, arp.sender_mac, solicited, request && for_us);
    if (request && for_us)
        answer(port, &arp);
    return true;
}

void arp_input(struct port *port, struct packet *p)
{
    if (!rcu_dereference(port->ip4))
        port_drop(port, DROP_NO_ADDRESS, p);
    else if (!message_sane(p) || !process(port, p))
        port_drop(port, DROP_ARP, p);
    else
        packet_free(p);
}

# SPDX-License-Identifier: BSD-2-Clause
#
# ICMP of a router: RFC 792, RFC 1812 4.3. Which packets are answered with which error, which
# never, and each byte of the answer.

import struct

import pytest

from rig import frames as fr
from rig.frames import (HOST, IP, NET, PORT, PROTOCOL, REDIRECT, TIME_EXCEEDED, UNREACHABLE, Raw,
                        ether)
from rig.machine import HOST_IPS, HOST_MACS, PORT_IPS

NOWHERE = "203.0.112.1"     # no route

# ---- echo ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [60, 61, 98, 577, 1513, 1514])
def test_echo_reply(router, size):
    request = fr.echo(size=size, tos=0x10)
    out = router.exchange(request)
    assert not out[1] and len(out[0]) == 1
    fr.assert_echo_reply(out[0][0], request)


def test_echo_reply_without_data(router):
    request = fr.echo(data=b"")
    out = router.exchange(request)
    assert len(out[0]) == 1
    fr.assert_echo_reply(out[0][0], request)


def test_echo_of_other_ports_address(router):
    """The address of eth1, asked at eth0: answered from the address that was asked."""
    request = fr.echo(dst=PORT_IPS[1])
    out = router.exchange(request)
    assert not out[1] and len(out[0]) == 1
    fr.assert_echo_reply(out[0][0], request)


def test_echo_identifier_and_sequence(router):
    request = fr.echo(identifier=0xfffe, sequence=0xffff)
    out = router.exchange(request)
    fr.assert_echo_reply(out[0][0], request)


def test_echo_wrong_checksum_drop(router):
    frame = fr.echo()
    router.dropped(frame[:-1] + bytes([frame[-1] ^ 1]), "local-protocol")


def test_echo_to_broadcast_mac_drop(router):
    """A unicast address behind a broadcast MAC address is not answered either."""
    router.dropped(fr.echo(eth=ether(dst="ff:ff:ff:ff:ff:ff")), "l2-broadcast")


def test_echo_reply_nobody_waits_for(router):
    """Consumed, and above all not answered."""
    assert router.exchange(fr.echo(kind=0)) == [[], []]


@pytest.mark.parametrize("length", [0, 1, 7])
def test_truncated_icmp_drop(router, length):
    router.dropped(bytes(ether() / IP(src=HOST_IPS[0], dst=PORT_IPS[0], proto=1)
                         / Raw(b"\x08\0\0\0\0\0\0"[:length])), "local-protocol")


# ---- unreachable -----------------------------------------------------------------------------

@pytest.mark.parametrize("size", [60, 200, 576, 589, 590, 591, 1514])
def test_dst_ip_absent(router, size):
    """No route: net unreachable; of a long packet the quote fills 576 bytes (4.3.2.3)."""
    router.error(fr.udp(dst=NOWHERE, size=size), UNREACHABLE, NET)


def test_net_unreachable_of_second_port(router):
    """From an address of the port that the packet came in by (4.3.2.4)."""
    router.error(fr.udp(1, dst=NOWHERE), UNREACHABLE, NET, port=1)


def test_no_route_is_counted(router):
    before = router.drops().get(("eth0", "no-route"), 0)
    router.exchange(fr.udp(dst=NOWHERE))
    assert router.drops()[("eth0", "no-route")] == before + 1


@pytest.mark.parametrize("protocol", [2, 6, 41, 89, 255])
def test_protocol_unreachable(router, protocol):
    router.error(bytes(ether() / IP(src=HOST_IPS[0], dst=PORT_IPS[0], proto=protocol)
                       / Raw(fr.payload(40))), UNREACHABLE, PROTOCOL)


def test_port_unreachable(router):
    router.error(fr.udp(dst=PORT_IPS[0]), UNREACHABLE, PORT)


def test_port_unreachable_of_other_ports_address(router):
    """Asked at eth0 for eth1's address, the error still comes from eth0's (4.3.2.4)."""
    router.error(fr.udp(dst=PORT_IPS[1]), UNREACHABLE, PORT)


def test_quote_is_without_padding(router):
    frame = fr.udp(dst=NOWHERE, data=b"ab")
    router.error(frame + b"\xaa" * (60 - len(frame)), UNREACHABLE, NET)


def test_error_goes_by_route(router):
    """The sender is behind the second host: the error goes to that gateway."""
    frame = fr.udp(1, src="198.18.7.7", dst=NOWHERE)
    router.error(frame, UNREACHABLE, NET, port=1)


def test_redirect(router):
    """RFC 1812 5.2.7.2: back out of the port it came in by; forwarded, and the sender told."""
    frame = fr.udp(1, dst="198.18.0.9")
    out = router.exchange(frame, port=1)
    assert not out[0]
    assert len(out[1]) == 2, "\n".join(map(fr.dump, out[1]))
    error, packet = sorted(out[1], key=lambda each: each[23] != 1)
    fr.assert_frame(packet, fr.forwarded(frame, 1))
    fr.assert_error(error, frame, REDIRECT, 1, port=1, rest=fr.ip_bytes(HOST_IPS[1]))


# ---- what no error may be about: 4.3.2.7 -----------------------------------------------------

ERRORS = [(3, 1), (3, 3), (4, 0), (5, 1), (11, 0), (11, 1), (12, 0)]


def icmp(kind, code, **fields):
    body = bytes([kind, code, 0, 0, 0, 0, 0, 0]) + fr.ip_packet(fr.udp(src=HOST_IPS[1]))[:28]
    body = body[:2] + struct.pack(">H", fr.checksum(body)) + body[4:]
    return bytes(ether() / IP(src=HOST_IPS[0], dst=fields.pop("dst", HOST_IPS[1]), proto=1,
                              **fields) / Raw(body))


@pytest.mark.parametrize("kind,code", ERRORS)
def test_no_error_about_icmp_error(router, kind, code):
    """Expired, and without a route: dropped in silence."""
    router.dropped(icmp(kind, code, ttl=1), "ttl")
    router.dropped(icmp(kind, code, dst=NOWHERE), "no-route")


@pytest.mark.parametrize("kind", [1, 2, 7, 19, 44, 255])
def test_no_error_about_unknown_icmp_type(router, kind):
    """It may be an error of a kind that we don't know."""
    router.dropped(icmp(kind, 0, ttl=1), "ttl")


@pytest.mark.parametrize("kind", [0, 8, 13, 14, 17, 18])
def test_error_about_icmp_query(router, kind):
    router.error(icmp(kind, 0, ttl=1), TIME_EXCEEDED, 0)


def test_icmp_errors_are_forwarded(router):
    for kind, code in ERRORS:
        router.passes(icmp(kind, code))


def test_no_error_about_icmp_without_header(router):
    """An ICMP packet too short to say what it is."""
    router.dropped(bytes(ether() / IP(src=HOST_IPS[0], dst=HOST_IPS[1], proto=1, ttl=1)), "ttl")


@pytest.mark.parametrize("field", [1, 0x2001, 185])
def test_no_error_about_later_fragment(router, field):
    frame = fr.patch(fr.udp(ttl=1), 6, struct.pack(">H", field))
    router.dropped(frame, "ttl")
    router.dropped(fr.patch(fr.udp(dst=NOWHERE), 6, struct.pack(">H", field)), "no-route")


def test_error_about_first_fragment(router):
    router.error(fr.patch(fr.udp(ttl=1), 6, b"\x20\0"), TIME_EXCEEDED, 0)


def test_no_error_about_later_icmp_fragment(router):
    """What looks like an echo request there is somebody's data."""
    router.dropped(fr.patch(fr.echo(dst=HOST_IPS[1], ttl=1), 6, b"\0\1"), "ttl")


def test_no_error_about_multicast(router):
    router.dropped(fr.udp(dst="224.0.0.9", ttl=1), "broadcast")


def test_no_error_about_broadcast(router):
    router.dropped(fr.udp(dst="198.51.100.255", ttl=1), "broadcast")
    router.dropped(fr.udp(dst="255.255.255.255", ttl=1), "broadcast")


def test_no_error_about_link_broadcast(router):
    router.dropped(fr.udp(dst=NOWHERE, eth=ether(dst="ff:ff:ff:ff:ff:ff")), "l2-broadcast")


@pytest.mark.parametrize("src", ["192.0.2.255", "198.51.100.255", "192.0.2.0"])
def test_no_error_to_broadcast_address(router, src):
    """A source that is no single host gets no error."""
    frame = fr.udp(src=src, ttl=1)
    assert router.exchange(frame) == [[], []]


def test_fragment_for_us_drop(router):
    """Nothing is put together before the host stack comes; a fragment is no whole message."""
    router.dropped(fr.patch(fr.echo(), 6, b"\x20\0"), "local-protocol")


# ---- rate limit: 4.3.2.8 ---------------------------------------------------------------------

def test_error_rate_is_limited(router):
    """A flood of expiring packets gets some errors, the rest is counted, and echo still works."""
    before = router.drops().get(("eth0", "icmp-rate"), 0)
    count = 1000
    request = fr.echo(data=b"still there?")
    out = router.exchange(*[fr.udp(ttl=1) for _ in range(count)], request)
    errors = [frame for frame in out[0] if frame[34] == TIME_EXCEEDED]
    replies = [frame for frame in out[0] if frame[34] == 0]
    limited = router.drops().get(("eth0", "icmp-rate"), 0) - before
    assert len(errors) + limited == count
    assert 50 <= len(errors) < count, f"{len(errors)} errors about {count} packets"
    assert len(replies) == 1
    fr.assert_echo_reply(replies[0], request)


def test_error_rate_recovers(router):
    """Some time after the flood there are errors again."""
    router.exchange(*[fr.udp(ttl=1) for _ in range(400)])
    router.collect(0.5)
    router.error(fr.udp(ttl=1), TIME_EXCEEDED, 0)


def test_rate_limit_is_per_port(router):
    """A flood at eth0 leaves eth1 its errors."""
    router.exchange(*[fr.udp(ttl=1) for _ in range(300)])
    router.error(fr.udp(1, ttl=1), TIME_EXCEEDED, 0, port=1)


# ---- neighbours that do not answer -----------------------------------------------------------

def test_arp_failure_is_host_unreachable(router):
    """RFC 1812 3.3.2, 5.2.7.1: after three requests, about each packet that waited."""
    dst = "198.51.100.77"
    frames = [fr.udp(dst=dst) for _ in range(3)]
    out = router.exchange(*frames)
    assert not any(out)
    router.wait(lambda: len(router.links[0].frames) >= 3, 15, "host unreachable")
    requests = [each for each in router.links[1].arps if each[38:42] == fr.ip_bytes(dst)]
    assert len(requests) == 3, f"{len(requests)} requests"
    for request in requests:
        fr.assert_frame(request, fr.arp(1, 0, eth_src="02:00:00:00:00:02", sender=PORT_IPS[1],
                                        sender_mac="02:00:00:00:00:02", target=dst))
    for got, frame in zip(router.links[0].frames, frames):
        fr.assert_error(got, frame, UNREACHABLE, HOST, ttl_taken=True)
    # While it counts as unreachable, the next one is answered at once.
    router.error(fr.udp(dst=dst), UNREACHABLE, HOST, ttl_taken=True)


def test_host_macs_stay(router):
    """After all that the hosts are where they were."""
    text = router.console.command("show arp")
    for address, mac in zip(HOST_IPS, HOST_MACS):
        assert any(line.split()[:2] == [address, mac] for line in text.splitlines()), text

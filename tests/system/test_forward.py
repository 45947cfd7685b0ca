# SPDX-License-Identifier: BSD-2-Clause
#
# Forwarding, RFC 1812 5.2 and 5.3: which frames go out, and each of their bytes.

import pytest

from rig import frames as fr
from rig.frames import IP, TIME_EXCEEDED, Raw, ether
from rig.machine import BEHIND, HOST_IPS, HOST_MACS, PORT_MACS

SIZES = [60, 61, 62, 63, 64, 65, 127, 128, 129, 255, 256, 511, 512, 513, 575, 576, 577, 1023,
         1024, 1279, 1280, 1400, 1499, 1500, 1501, 1512, 1513, 1514]


@pytest.mark.parametrize("size", SIZES)
def test_forwards(router, size):
    router.passes(fr.udp(size=size))


def test_forwards_back(router):
    router.passes(fr.udp(1), port=1)


def test_forwards_every_size(router):
    """All lengths from 60 to 1514 in one go: none lost, in order, each byte right."""
    frames = [fr.udp(size=size) for size in range(60, 1515)]
    for at in range(0, len(frames), 64):
        part = frames[at:at + 64]
        out = router.exchange(*part)
        assert not out[0]
        fr.assert_frames(out[1], [fr.forwarded(frame) for frame in part])


def test_forwards_by_route(router):
    """A static route: the frame goes to the gateway's MAC address, the destination stays."""
    router.passes(fr.udp(dst=BEHIND))


@pytest.mark.parametrize("protocol", [0, 1, 6, 17, 47, 50, 89, 255])
def test_forwards_any_protocol(router, protocol):
    """What is behind the IP header is no business of a router: RFC 1812 5.2.1.2."""
    router.passes(bytes(ether() / IP(src=HOST_IPS[0], dst=HOST_IPS[1], proto=protocol, ttl=9)
                        / Raw(fr.payload(40))))


def test_forwards_ip_header_only(router):
    """20 bytes of IP in a padded frame; no byte behind the header may be touched."""
    router.passes(bytes(ether() / IP(src=HOST_IPS[0], dst=HOST_IPS[1], proto=6)) + bytes(26))


def test_padding_is_trimmed(router):
    """RFC 894: the padding of a short frame is no part of the packet."""
    frame = fr.udp(data=b"abc")
    router.passes(frame + b"\xaa" * (60 - len(frame)))


def test_long_trailer_is_trimmed(router):
    router.passes(fr.udp(data=b"abc") + b"\xaa" * 700)


def test_runt_frame_is_forwarded_whole(router):
    """A virtual link has no minimum: a frame of 42 bytes is as good as a padded one."""
    router.passes(fr.udp(data=b""))


def test_tos_and_identification_stay(router):
    router.passes(fr.udp(tos=0xb9, id=0xfffe))


def test_flags_stay(router):
    """DF, and the reserved bit that RFC 791 wants zero and routers leave alone."""
    for flags in (0x4000, 0x8000):
        router.passes(fr.patch(fr.udp(), 6, flags.to_bytes(2, "big")))


def test_forward_fragments_untouched(router):
    """First, middle and last fragment that fit the link: nothing but TTL and checksum changes."""
    for field in (0x2000, 0x2000 | 64, 128):
        router.passes(fr.patch(fr.udp(size=554), 6, field.to_bytes(2, "big")))


@pytest.mark.parametrize("ttl", [2, 3, 64, 128, 129, 254, 255])
def test_ttl_is_decremented(router, ttl):
    router.passes(fr.udp(ttl=ttl))


# ---- the header checksum, RFC 1624 -----------------------------------------------------------

EDGES = [0x0000, 0x0001, 0x00ff, 0x0100, 0xfdff, 0xfe00, 0xfefe, 0xfeff, 0xff00, 0xfffe]


@pytest.mark.parametrize("checksum", EDGES)
def test_forward_ip_packet_with_chksum(router, checksum):
    """The incremental update where one's complement arithmetic has its edges."""
    router.passes(fr.with_checksum(fr.udp(), checksum))


@pytest.mark.parametrize("checksum", EDGES)
def test_leaves_with_chksum(router, checksum):
    """The same for the checksum that the packet leaves with."""
    for identification in range(0x10000):
        frame = fr.patch(FRAME, 4, identification.to_bytes(2, "big"))
        if fr.forwarded(frame)[24:26] == checksum.to_bytes(2, "big"):
            router.passes(frame)
            return
    pytest.fail("no such packet")


FRAME = fr.udp()


def test_forward_ip_packet_with_0xffff_chksum_tolerant(router):
    """
    0xffff stands for a correct sum too (minus zero); RFC 1624 section 3. Such a packet may be
    forwarded, with a right checksum, or dropped, but not forwarded with a wrong one.
    """
    frame = fr.with_checksum(fr.udp(), 0x0000)
    frame = frame[:24] + b"\xff\xff" + frame[26:]
    out = router.exchange(frame)
    assert not out[0]
    if out[1]:
        fr.assert_frames(out[1], [fr.forwarded(frame)])


@pytest.mark.parametrize("bit", [0, 7, 8, 15])
def test_wrong_checksum_drop(router, bit):
    frame = bytearray(fr.udp())
    frame[25 - bit // 8] ^= 1 << bit % 8
    router.dropped(bytes(frame), "ip-checksum")


def test_wrong_checksum_zero_drop(router):
    """A zero is not "no checksum", as it is in UDP."""
    frame = fr.udp()
    assert frame[24:26] != b"\0\0"
    router.dropped(frame[:24] + b"\0\0" + frame[26:], "ip-checksum")


# ---- TTL, RFC 1812 5.3.1 ---------------------------------------------------------------------

@pytest.mark.parametrize("ttl", [0, 1])
def test_ip_pkt_with_expired_ttl(router, ttl):
    router.error(fr.udp(ttl=ttl), TIME_EXCEEDED, 0)


@pytest.mark.parametrize("ttl", [0, 1])
def test_expired_ttl_of_echo(router, ttl):
    """traceroute -I and mtr depend on it."""
    router.error(fr.echo(dst=HOST_IPS[1], ttl=ttl), TIME_EXCEEDED, 0)


def test_expired_ttl_is_counted(router):
    before = router.drops().get(("eth0", "ttl"), 0)
    router.exchange(fr.udp(ttl=1))
    assert router.drops()[("eth0", "ttl")] == before + 1


@pytest.mark.parametrize("ttl", [0, 1])
def test_ttl_does_not_matter_for_us(router, ttl):
    """RFC 1812 4.2.2.9: what is for the router is delivered whatever its TTL."""
    request = fr.echo(ttl=ttl)
    out = router.exchange(request)
    assert not out[1] and len(out[0]) == 1
    fr.assert_echo_reply(out[0][0], request)


# ---- Ethernet --------------------------------------------------------------------------------

def test_unicast_ip_incorrect_eth_dst(router):
    router.dropped(fr.udp(eth=ether(dst="02:00:00:00:00:77")), "not-for-us")


@pytest.mark.parametrize("byte", range(6))
def test_each_byte_of_eth_dst_counts(router, byte):
    mac = bytearray(fr.mac_bytes(PORT_MACS[0]))
    mac[byte] ^= 0x10
    router.dropped(bytes(mac) + fr.udp()[6:], "not-for-us")


def test_other_ports_mac_drop(router):
    """The MAC address of eth1 is not that of eth0."""
    router.dropped(fr.udp(eth=ether(dst=PORT_MACS[1])), "not-for-us")


@pytest.mark.parametrize("mac", ["00:00:5e:00:01:01", "00:00:0c:07:ac:01"])
def test_virtual_router_mac_drop(router, mac):
    """VRRP's and HSRP's addresses belong to other routers."""
    router.dropped(fr.udp(eth=ether(dst=mac)), "not-for-us")


def test_equal_smac_dmac_drop(router):
    router.dropped(fr.udp(eth=ether(src=PORT_MACS[0])), "source-mac")


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "03:00:00:00:01:01"])
def test_multicast_smac_drop(router, mac):
    router.dropped(fr.udp(eth=ether(src=mac)), "source-mac")


@pytest.mark.parametrize("mac", ["01:80:c2:00:00:00", "01:80:c2:00:00:0e"])
def test_reserved_dmac_drop(router, mac):
    """Spanning tree's and LLDP's addresses, with a packet that is fine otherwise."""
    router.dropped(fr.udp(eth=ether(dst=mac)), "l2-broadcast")


@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:33:64:02"])
def test_link_broadcast_with_unicast_ip_drop(router, mac):
    """RFC 1812 5.3.4: a packet that came as a link-layer broadcast is not forwarded."""
    router.dropped(fr.udp(eth=ether(dst=mac)), "l2-broadcast")


@pytest.mark.parametrize("tag", ["81000064", "88a80064", "81000000", "81006064"])
def test_not_expected_vlan_tag_drop(router, tag):
    """Priority tags (VLAN 0) too: the port is untagged."""
    frame = fr.udp()
    router.dropped(frame[:12] + bytes.fromhex(tag) + frame[12:], "vlan")


@pytest.mark.parametrize("kind", [0x0000, 0x002e, 0x05dc, 0x0600, 0x0801, 0x86dd, 0x8847, 0x8863,
                                  0x88cc, 0xffff])
def test_other_ethertype_drop(router, kind):
    frame = fr.udp()
    router.dropped(frame[:12] + kind.to_bytes(2, "big") + frame[14:], "ethertype")


def test_oversize_frame_drop(router):
    frame = fr.udp(size=1515)
    router.dropped(frame, "rx-oversize")


@pytest.mark.parametrize("length", [1518, 1519, 2034, 2048, 4096, 9014, 30000, 65000])
def test_jumbo_frame(router, length):
    """Far more than a buffer holds: the device drops it or we do, and the next one passes."""
    frame = fr.udp(size=1514)
    frame = fr.patch(frame + bytes(length - len(frame)), 2, (length - 14).to_bytes(2, "big"))
    assert router.exchange(frame, frame) == [[], []]
    router.passes(fr.udp())
    counters = router.counters()["eth0"]
    assert counters["resets"] == counters["rx_errors"] == 0


@pytest.mark.parametrize("length", [1, 6, 12, 13])
def test_truncated_ethernet_drop(router, length):
    """QEMU may pad or drop what is too short for it: the router must only live on."""
    assert router.exchange(fr.udp()[:length]) == [[], []]
    router.passes(fr.udp())


def test_absent_ip_header(router):
    router.dropped(fr.udp()[:14], "rx-runt")


# ---- order and bursts ------------------------------------------------------------------------

def test_order_is_kept(router):
    frames = [fr.udp(size=60 + i % 5 * 200) for i in range(500)]
    out = router.exchange(*frames)
    fr.assert_frames(out[1], [fr.forwarded(frame) for frame in frames])


def test_good_frames_survive_bad_neighbours(router):
    """Bad frames of all kinds between good ones of the same burst."""
    bad = [fr.udp(ttl=0), fr.udp()[:30], fr.udp(eth=ether(dst="02:00:00:00:00:77")),
           fr.udp(src="127.0.0.1"), fr.arp(1), fr.udp(dst="203.0.113.9"), b"\0" * 60]
    frames = [fr.udp() for _ in range(70)]
    mixed = [frame for i, good in enumerate(frames) for frame in (bad[i % len(bad)], good)]
    out = router.exchange(*mixed)
    fr.assert_frames(out[1], [fr.forwarded(frame) for frame in frames])


def test_both_ways_at_once(router):
    here = [fr.udp(0) for _ in range(200)]
    there = [fr.udp(1) for _ in range(200)]
    for link in router.links:
        link.clear()
    for one, other in zip(here, there):
        router.links[0].send(one)
        router.links[1].send(other)
    router.wait(lambda: len(router.links[0].frames) >= 200 and len(router.links[1].frames) >= 200)
    fr.assert_frames(list(router.links[1].frames), [fr.forwarded(frame, 1) for frame in here])
    fr.assert_frames(list(router.links[0].frames), [fr.forwarded(frame, 0) for frame in there])


def test_host_macs_are_learned(router):
    """Both neighbours stand in the table with the MAC addresses that they have."""
    text = router.console.command("show arp")
    for address, mac in zip(HOST_IPS, HOST_MACS):
        assert f"{address} " in text and mac in text, text

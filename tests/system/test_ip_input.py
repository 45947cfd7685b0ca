# SPDX-License-Identifier: BSD-2-Clause
#
# What is wrong with an IP packet and must stop it: RFC 1812 5.2.2 (header), 5.3.7 (martians),
# 4.2.2.11 and 5.3.5 (broadcasts), 4.2.2.2 and 5.3.13 (options); RFC 7126 for source routes.

import struct

import pytest

from rig import frames as fr
from rig.frames import PARAMETER, ether
from rig.machine import BEHIND, HOST_IPS, PORT_IPS

# ---- header ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1, 3, 5, 6, 15])
def test_broken_ip_header_version(router, version):
    router.dropped(fr.patch(fr.udp(), 0, bytes([version << 4 | 5])), "ip-header")


@pytest.mark.parametrize("ihl", [0, 1, 4])
def test_broken_ip_header_length(router, ihl):
    """Shorter than the fixed part. The checksum is right for what a lax router would sum up."""
    frame = fr.udp()
    router.dropped(fr.fix_checksum(frame[:14] + bytes([0x40 | ihl]) + frame[15:]), "ip-header")


def test_header_longer_than_packet(router):
    """IHL 15 with a total length of 40."""
    frame = fr.udp(data=b"x" * 60)
    frame = frame[:14] + b"\x4f\x00" + struct.pack(">H", 40) + frame[18:]
    router.dropped(fr.fix_checksum(frame), "ip-header")


@pytest.mark.parametrize("excess", [1, 2, 100, 60000])
def test_total_length_beyond_frame(router, excess):
    frame = fr.udp(size=100)
    router.dropped(fr.patch(frame, 2, struct.pack(">H", min(86 + excess, 65535))), "ip-header")


@pytest.mark.parametrize("total", [0, 1, 19])
def test_total_length_below_header(router, total):
    router.dropped(fr.patch(fr.udp(size=100), 2, struct.pack(">H", total)), "ip-header")


@pytest.mark.parametrize("length", [15, 20, 33])
def test_truncated_ip_header(router, length):
    router.dropped(fr.udp()[:length], "rx-runt")


def test_header_length_beyond_frame(router):
    """IHL 15 in a frame that ends after 40 bytes of IP."""
    frame = fr.udp(size=54)
    frame = fr.fix_checksum(frame[:14] + b"\x4f" + frame[15:])
    router.dropped(frame, "ip-header")


# ---- martians --------------------------------------------------------------------------------

@pytest.mark.parametrize("src", ["127.0.0.1", "127.255.255.254"])
def test_src_ip_is_loopback_addr(router, src):
    router.dropped(fr.udp(src=src), "martian-source")


@pytest.mark.parametrize("src", ["224.0.0.5", "239.255.255.255"])
def test_src_ip_is_multicast_addr(router, src):
    router.dropped(fr.udp(src=src), "martian-source")


@pytest.mark.parametrize("src", ["240.0.0.1", "254.1.2.3", "255.255.255.255"])
def test_src_ip_is_class_e(router, src):
    router.dropped(fr.udp(src=src), "martian-source")


@pytest.mark.parametrize("src", ["0.0.0.0", "0.1.2.3"])
def test_src_ip_is_zero_addr(router, src):
    router.dropped(fr.udp(src=src), "martian-source")


@pytest.mark.parametrize("src", ["169.254.0.1", "169.254.255.255"])
def test_src_ip_link_local(router, src):
    router.dropped(fr.udp(src=src), "martian-source")


@pytest.mark.parametrize("src", PORT_IPS)
def test_src_ip_is_own_addr(router, src):
    """Nobody else may speak with an address of the router, whichever port it has it on."""
    router.dropped(fr.udp(src=src), "martian-source")


@pytest.mark.parametrize("dst", ["127.0.0.1", "127.1.2.3"])
def test_dst_ip_is_loopback_addr(router, dst):
    router.dropped(fr.udp(dst=dst), "martian-destination")


@pytest.mark.parametrize("dst", ["0.0.0.0", "0.1.2.3"])
def test_dst_ip_is_zero_addr(router, dst):
    router.dropped(fr.udp(dst=dst), "martian-destination")


@pytest.mark.parametrize("dst", ["240.0.0.1", "254.255.255.255", "255.255.255.254"])
def test_dst_ip_is_class_e(router, dst):
    router.dropped(fr.udp(dst=dst), "martian-destination")


def test_dst_ip_link_local(router):
    router.dropped(fr.udp(dst="169.254.1.1"), "martian-destination")


@pytest.mark.parametrize("src", ["1.0.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255",
                                 "169.255.0.1", "223.255.255.254"])
def test_neighbours_of_martian_sources_pass(router, src):
    """The limits of the reserved ranges, from outside."""
    router.passes(fr.udp(src=src))


# ---- broadcast and multicast -----------------------------------------------------------------

@pytest.mark.parametrize("dst", ["224.0.0.1", "224.0.0.22", "239.1.2.3"])
def test_non_routable_igmp_pkts(router, dst):
    """No multicast routing here: dropped in silence, with the right MAC address and with ours."""
    mac = "01:00:5e:" + ":".join(f"{int(part) & (0x7f if i == 0 else 0xff):02x}"
                                 for i, part in enumerate(dst.split(".")[1:]))
    router.dropped(fr.udp(dst=dst, eth=ether(dst=mac)), "broadcast")
    router.dropped(fr.udp(dst=dst), "broadcast")


def test_limited_broadcast_drop(router):
    router.dropped(fr.udp(dst="255.255.255.255", eth=ether(dst="ff:ff:ff:ff:ff:ff")), "broadcast")
    router.dropped(fr.udp(dst="255.255.255.255"), "broadcast")


@pytest.mark.parametrize("dst", ["198.51.100.255", "198.51.100.0"])
def test_directed_broadcast_drop(router, dst):
    """RFC 2644; the all-zeros form too (RFC 1812 4.2.3.1)."""
    router.dropped(fr.udp(dst=dst), "broadcast")


@pytest.mark.parametrize("dst", ["192.0.2.255", "192.0.2.0"])
def test_own_subnets_broadcast_drop(router, dst):
    """The broadcast of the very link the packet came from: not even answered when it is a ping."""
    router.dropped(fr.udp(dst=dst), "broadcast")
    router.dropped(fr.echo(dst=dst, eth=ether(dst="ff:ff:ff:ff:ff:ff")), "broadcast")


def test_blackhole_route(router):
    router.dropped(fr.udp(dst="203.0.113.77"), "blackhole")


# ---- options ---------------------------------------------------------------------------------

def with_options(frame, options):
    """The frame with options (padded to 4 bytes) behind its IP header."""
    options += b"\0" * (-len(options) % 4)
    ip = fr.ip_packet(frame)
    made = (bytes([0x45 + len(options) // 4]) + ip[1:2] + struct.pack(">H", len(ip) + len(options))
            + ip[4:20] + options + ip[20:])
    return fr.fix_checksum(frame[:14] + made)


@pytest.mark.parametrize("options", [b"\1\1\1\0", b"\1" * 40, b"\x94\x04\0\0", b"\x88\x04\x12\x34",
                                     b"\x82\x0b" + b"\0" * 9], ids=lambda o: o.hex()[:12])
def test_options_pass(router, options):
    """No operation, router alert, stream id, security: nothing for a router to do in them."""
    router.passes(with_options(fr.udp(), options))


@pytest.mark.parametrize("kind", [131, 137])
def test_source_route_drop(router, kind):
    """Loose and strict source routes, pending and used up."""
    for pointer in (4, 8):
        options = bytes([kind, 7, pointer]) + fr.ip_bytes(BEHIND)
        router.dropped(with_options(fr.udp(), options), "ip-options")


def test_record_route(router):
    """RFC 1812 5.3.13.4: the address of the port that the packet leaves by is put in."""
    frame = with_options(fr.udp(), b"\7\x0b\4" + b"\0" * 8)
    out = router.exchange(frame)
    wanted = with_options(fr.udp(), b"\7\x0b\x08" + fr.ip_bytes(PORT_IPS[1]) + b"\0" * 4)
    wanted = fr.forwarded(frame[:14] + fr.patch(frame, 20, wanted[34:45])[14:])
    assert not out[0]
    fr.assert_frames(out[1], [wanted])


def test_record_route_full(router):
    """A full list stays as it is."""
    router.passes(with_options(fr.udp(), b"\7\7\x08" + fr.ip_bytes("10.1.1.1")))


def test_timestamp_overflow_is_counted(router):
    """RFC 791: with no room left the overflow counter goes up."""
    frame = with_options(fr.udp(), b"\x44\x08\x09\x00" + b"\1\2\3\4")
    wanted = fr.forwarded(fr.patch(frame, 23, b"\x10"))
    out = router.exchange(frame)
    assert not out[0]
    fr.assert_frames(out[1], [wanted])


def test_timestamp_is_entered(router):
    frame = with_options(fr.udp(), b"\x44\x0c\x05\x01" + b"\0" * 8)
    out = router.exchange(frame)
    assert not out[0] and len(out[1]) == 1
    got = out[1][0]
    assert got[34:38] == b"\x44\x0c\x0d\x01", fr.dump(got)
    assert got[38:42] == fr.ip_bytes(PORT_IPS[1])
    assert struct.unpack(">I", got[42:46])[0] < 86400000
    fr.assert_frame(got, fr.forwarded(fr.patch(frame, 20, got[34:46])))


MALFORMED = [(b"\7\0\4\0", 21), (b"\7\1\4\0", 21), (b"\7\x20\4\0", 21), (b"\x44\x02", 21),
             (b"\x94", None), (b"\7\7\3\0\0\0\0", 22)]


@pytest.mark.parametrize("options,pointer", MALFORMED, ids=lambda o: o.hex() if o and
                         isinstance(o, bytes) else "")
def test_malformed_options(router, options, pointer):
    """RFC 1812 4.3.3.5: Parameter Problem, pointing at the octet at fault."""
    frame = with_options(fr.udp(), b"\1" * (-len(options) % 4) + options)
    shift = -len(options) % 4
    out = router.exchange(frame)
    assert not out[1] and len(out[0]) == 1
    got = out[0][0]
    at = got[fr.ETH + 24]
    if pointer:
        assert at == pointer + shift, f"pointer {at}\n{fr.dump(got)}"
    assert 20 <= at < (frame[14] & 15) * 4
    fr.assert_error(got, frame, PARAMETER, 0, rest=bytes([at, 0, 0, 0]))


def test_options_of_echo_request(router):
    """Answered without the options; the payload comes back whole."""
    request = with_options(fr.echo(), b"\1\1\1\1")
    out = router.exchange(request)
    assert not out[1] and len(out[0]) == 1
    fr.assert_echo_reply(out[0][0], request)


# ---- damage of every kind --------------------------------------------------------------------

def test_every_truncation(router):
    """A packet cut at every length: never forwarded when less than it says, never a crash."""
    frame = with_options(fr.udp(size=120), b"\7\x0b\4" + b"\0" * 8)
    out = router.exchange(*[frame[:length] for length in range(14, len(frame))])
    assert out == [[], []], f"{sum(map(len, out))} frames came of truncated ones"
    router.passes(fr.udp())


def test_random_damage(router):
    """Random bytes and single-bit damage: all that comes out has a right header checksum."""
    import random
    chance = random.Random(1812)
    good = [fr.udp(size=90), fr.echo(), fr.arp(1), with_options(fr.udp(), b"\7\x0b\4" + bytes(8))]
    frames = []
    for _ in range(600):
        frame = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            frame[chance.randrange(12, len(frame))] ^= 1 << chance.randrange(8)
        frames.append(bytes(frame))
    frames += [fr.udp()[:14] + chance.randbytes(chance.randrange(20, 200)) for _ in range(300)]
    frames = [frame for frame in frames if frame[12:14] != b"\x08\x06"]
    for at in range(0, len(frames), 100):
        for got in sum(router.exchange(*frames[at:at + 100]), []):
            assert fr.checksum(got[14:14 + (got[14] & 15) * 4]) == 0, fr.dump(got)
    router.passes(fr.udp())
    assert HOST_IPS[0] in router.console.command("show arp")

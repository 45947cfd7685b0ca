# SPDX-License-Identifier: BSD-2-Clause
#
# Packets that are too long for the link they go to: RFC 791 3.2, RFC 1812 4.2.2.7 (fragmentation)
# and RFC 1191 (don't fragment: the error carries the next hop's MTU).

import struct

import pytest

from rig import frames as fr
from rig.frames import FRAG_NEEDED, UNREACHABLE
from rig.machine import CONFIG
from rig.router import Router
from test_ip_input import with_options

MTU = 1400


@pytest.fixture(scope="module")
def narrow():
    """A router whose eth1 takes packets of MTU bytes."""
    config = CONFIG.replace(" ip address 198", f" mtu {MTU}\n ip address 198")
    with Router(config=config) as router:
        yield router.warm()


@pytest.fixture
def tiny(narrow):
    """The same with any MTU, changed by `configure`, and back again."""
    def change(mtu):
        for line in ("configure", "interface eth1", f"mtu {mtu}", "commit", "end"):
            text = narrow.console.command(line)
        assert "error" not in text
        return narrow
    yield change
    change(MTU)


def fragment(router, frame, mtu=MTU):
    out = router.exchange(frame)
    assert not out[0], "\n".join(map(fr.dump, out[0]))
    fr.assert_frames(out[1], fr.fragments(frame, mtu))


def reassemble(pieces):
    """The payload that a host makes of fragments, which may not overlap or leave holes."""
    data, at = b"", 0
    for piece in pieces:
        ip = fr.ip_packet(piece)
        header = (ip[0] & 15) * 4
        assert (struct.unpack(">H", ip[6:8])[0] & 0x1fff) * 8 == at
        data += ip[header:]
        at += len(ip) - header
    return data


def test_fits_exactly(narrow):
    narrow.passes(fr.udp(size=14 + MTU))


@pytest.mark.parametrize("size", [14 + MTU + 1, 14 + MTU + 8, 1500, 1514])
def test_ip_pkt_with_exceeded_mtu(narrow, size):
    fragment(narrow, fr.udp(size=size))


@pytest.mark.parametrize("size", [14 + MTU + 1, 1514])
@pytest.mark.parametrize("make", [fr.udp, lambda **more: fr.echo(dst="198.51.100.2", **more)],
                         ids=["udp", "echo"])
def test_dont_fragment(narrow, size, make):
    """3/4 with the MTU of the link in the header's last 16 bits."""
    narrow.error(make(size=size, flags="DF"), UNREACHABLE, FRAG_NEEDED,
                 rest=struct.pack(">HH", 0, MTU), ttl_taken=True)


def test_dont_fragment_fits(narrow):
    narrow.passes(fr.udp(size=14 + MTU, flags="DF"))


def test_dont_fragment_is_counted(narrow):
    before = narrow.drops().get(("eth0", "dont-fragment"), 0)
    narrow.exchange(fr.udp(size=1500, flags="DF"))
    assert narrow.drops()[("eth0", "dont-fragment")] == before + 1


def test_towards_the_wide_port(narrow):
    """The other way nothing is too long: the limit is that of the port it leaves by."""
    frame = fr.udp(1, size=14 + MTU)
    narrow.passes(frame, port=1)


def test_too_long_for_the_port_it_comes_in_by(narrow):
    """MTU is what the port takes in as well."""
    narrow.dropped(fr.udp(1, size=14 + MTU + 1), "rx-oversize", port=1)


@pytest.mark.parametrize("field", [0x2000, 0x2000 | 185, 370], ids=["first", "middle", "last"])
def test_fragment_of_fragment(narrow, field):
    """Offsets go on from the fragment's own; the last piece of a middle one says "more"."""
    fragment(narrow, fr.patch(fr.udp(size=1514), 6, struct.pack(">H", field)))


def test_expired_ttl_before_fragmentation(narrow):
    narrow.error(fr.udp(size=1514, ttl=1), fr.TIME_EXCEEDED, 0)


@pytest.mark.parametrize("mtu", [68, 69, 75, 76, 77, 300, 577, 1006])
def test_small_mtu(tiny, mtu):
    """Down to RFC 791's least, where a piece carries 48 bytes; odd ones are rounded to 8."""
    router = tiny(mtu)
    fragment(router, fr.udp(size=1200), mtu)
    frame = fr.udp(size=14 + mtu, data=None)
    router.passes(frame)


def test_pieces_make_the_whole(tiny):
    frame = fr.udp(size=1514)
    out = tiny(76).exchange(frame)
    assert len(out[1]) == 27 and reassemble(out[1]) == frame[34:]


def test_options_of_fragments(tiny):
    """Options with the copy bit go into each piece, others into the first only (RFC 791 3.1)."""
    frame = with_options(fr.udp(size=1014), b"\x82\x0b" + bytes(range(9)) + b"\7\7\x08abcd\0")
    out = tiny(576).exchange(frame)
    assert not out[0]
    first, *rest = out[1]
    assert first[34:34 + 20] == frame[34:34 + 20], fr.dump(first)
    for piece in rest:
        assert (piece[14] & 15) * 4 == 32, fr.dump(piece)
        assert piece[34:34 + 11] == frame[34:34 + 11], fr.dump(piece)
    for piece in out[1]:
        assert fr.checksum(piece[14:14 + (piece[14] & 15) * 4]) == 0
        assert len(piece) <= 14 + 576
    assert reassemble(out[1]) == frame[54:]


def test_burst_of_long_packets(narrow):
    """Each becomes two; none is lost, the order stays."""
    frames = [fr.udp(size=1514) for _ in range(100)]
    out = narrow.exchange(*frames)
    fr.assert_frames(out[1], [piece for frame in frames for piece in fr.fragments(frame, MTU)])

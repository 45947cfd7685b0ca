# SPDX-License-Identifier: BSD-2-Clause
#
# Frames that tests send, made with scapy, and what must come back, worked out here byte by byte
# and without scapy, so that one mistake cannot hide the other.

import itertools
import struct

from scapy.config import conf
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from rig.machine import HOST_IPS, HOST_MACS, PORT_IPS, PORT_MACS

conf.verb = 0
ETH = 14
ERROR_MAX = 576         # RFC 1812 4.3.2.3
ERROR_TOS = 0xc0        # RFC 1812 4.3.2.5
_fresh = itertools.count(1)

UNREACHABLE, REDIRECT, TIME_EXCEEDED, PARAMETER = 3, 5, 11, 12
NET, HOST, PROTOCOL, PORT, FRAG_NEEDED = 0, 1, 2, 3, 4


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def ip_bytes(text):
    return bytes(int(part) for part in text.split("."))


def checksum(data):
    """RFC 1071, of data whose checksum field is zero."""
    data = bytes(data) + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ether(port=0, dst=None, src=None, kind=None):
    """An Ethernet header from the host of a port to the router."""
    layer = Ether(dst=dst or PORT_MACS[port], src=src or HOST_MACS[port])
    if kind is not None:
        layer.type = kind
    return layer


def payload(length):
    """Bytes that no other frame of this run has (as far as the length allows)."""
    return (struct.pack(">I", next(_fresh)) + bytes(i * 7 & 0xff for i in range(length)))[:length]


def udp(port=0, *, size=None, src=None, dst=None, eth=None, sport=4000, dport=5000, data=None,
        **ip_fields):
    """A UDP frame from the host of a port to the other one; `size` is the frame's length."""
    length = 32 if size is None else size - ETH - 20 - 8
    fields = {"src": src or HOST_IPS[port], "dst": dst or HOST_IPS[1 - port], "ttl": 64,
              "id": next(_fresh) & 0xffff, **ip_fields}
    return bytes((eth or ether(port)) / IP(**fields) / UDP(sport=sport, dport=dport)
                 / Raw(payload(length) if data is None else data))


def echo(port=0, *, src=None, dst=None, size=None, identifier=0x1234, sequence=1, eth=None,
         kind=8, data=None, **ip_fields):
    length = 32 if size is None else size - ETH - 20 - 8
    fields = {"src": src or HOST_IPS[port], "dst": dst or PORT_IPS[port], "ttl": 64,
              "id": next(_fresh) & 0xffff, **ip_fields}
    return bytes((eth or ether(port)) / IP(**fields)
                 / ICMP(type=kind, id=identifier, seq=sequence)
                 / Raw(payload(length) if data is None else data))


def arp(operation, port=0, *, sender=None, sender_mac=None, target=None, eth_dst=None,
        target_mac="00:00:00:00:00:00", eth_src=None):
    mac = sender_mac or HOST_MACS[port]
    return bytes(Ether(dst=eth_dst or "ff:ff:ff:ff:ff:ff", src=eth_src or mac)
                 / ARP(op=operation, hwsrc=mac, psrc=sender or HOST_IPS[port],
                       hwdst=target_mac, pdst=target or PORT_IPS[port]))


def patch(frame, offset, data):
    """The frame with some bytes of its IP packet replaced, header checksum made right again."""
    at = ETH + offset
    frame = frame[:at] + data + frame[at + len(data):]
    return fix_checksum(frame)


def fix_checksum(frame):
    header = (frame[ETH] & 15) * 4
    ip = bytearray(frame[ETH:ETH + header])
    if len(ip) < 20:
        ip = bytearray(frame[ETH:ETH + 20])
    ip[10:12] = b"\0\0"
    ip[10:12] = struct.pack(">H", checksum(ip))
    return frame[:ETH] + bytes(ip) + frame[ETH + len(ip):]


def with_checksum(frame, wanted):
    """The frame with its IP identification chosen so that the header checksum is `wanted`."""
    for identification in range(0x10000):
        made = patch(frame, 4, struct.pack(">H", identification))
        if made[ETH + 10:ETH + 12] == struct.pack(">H", wanted):
            return made
    raise ValueError(f"no identification gives checksum {wanted:#06x}")


def ip_packet(frame):
    """The IP packet of a frame, without padding."""
    return frame[ETH:ETH + struct.unpack(">H", frame[ETH + 2:ETH + 4])[0]]


def forwarded(frame, out=1, *, dst_mac=None):
    """What the router must make of a frame: RFC 1812 5.2.1, 5.3.1; checksum computed anew."""
    ip = bytearray(ip_packet(frame))
    header = (ip[0] & 15) * 4
    ip[8] -= 1
    ip[10:12] = b"\0\0"
    ip[10:12] = struct.pack(">H", checksum(ip[:header]))
    return (mac_bytes(dst_mac or HOST_MACS[out]) + mac_bytes(PORT_MACS[out]) + b"\x08\0"
            + bytes(ip))


def fragments(frame, mtu, out=1):
    """The fragments of a frame without options for a link of this MTU (RFC 791 3.2)."""
    whole = forwarded(frame, out)
    head, data = whole[:ETH + 20], whole[ETH + 20:]
    first = struct.unpack(">H", head[ETH + 6:ETH + 8])[0]
    room = (mtu - 20) & ~7
    made = []
    for at in range(0, len(data), room):
        piece = data[at:at + room]
        more = first & 0x2000 or (0x2000 if at + room < len(data) else 0)
        field = (first & ~0x2000) + at // 8 | more
        made.append(patch(patch(head + piece, 2, struct.pack(">H", 20 + len(piece))), 6,
                          struct.pack(">H", field)))
    return made


def echo_reply(request, port=0):
    """The parts of a reply to an echo request, without the fields that are the router's own."""
    ip = ip_packet(request)
    header = (ip[0] & 15) * 4
    icmp = bytearray(ip[header:])
    icmp[0] = 0
    icmp[2:4] = b"\0\0"
    icmp[2:4] = struct.pack(">H", checksum(icmp))
    return (request[6:12] + mac_bytes(PORT_MACS[port]) + b"\x08\0",
            struct.pack(">BBH", 0x45, ip[1], 20 + len(icmp)), ip[16:20] + ip[12:16], bytes(icmp))


def dump(data):
    rows = []
    for at in range(0, min(len(data), 256), 16):
        row = data[at:at + 16]
        rows.append(f"  {at:04x}  {row.hex(' ')}")
    if len(data) > 256:
        rows.append(f"  ... {len(data)} bytes in all")
    return "\n".join(rows) or "  (nothing)"


def assert_frame(got, expected):
    """Equal bytes; an Ethernet frame may have zeros behind the packet."""
    if got[:len(expected)] == expected and not any(got[len(expected):]) \
            and len(got) <= max(60, len(expected)):
        return
    differs = [i for i in range(max(len(got), len(expected)))
               if got[i:i + 1] != expected[i:i + 1]]
    raise AssertionError(f"frames differ at offset {differs[0] if differs else len(expected)}\n"
                         f" expected\n{dump(expected)}\n got\n{dump(got)}")


def assert_frames(got, expected):
    if len(got) != len(expected):
        raise AssertionError(f"{len(expected)} frames expected, {len(got)} came\n"
                             + "\n".join(dump(frame) for frame in got))
    for one, wanted in zip(got, expected):
        assert_frame(one, wanted)


def assert_echo_reply(got, request, port=0):
    """Every byte of an echo reply but the router's own identification and TTL."""
    eth, head, addresses, icmp = echo_reply(request, port)
    wanted = (eth + head + got[ETH + 4:ETH + 6] + b"\0\0" + got[ETH + 8:ETH + 9] + b"\x01"
              + b"\0\0" + addresses + icmp)
    assert got[ETH + 6] & 0x3f == 0 and got[ETH + 8] >= 32, dump(got)
    assert_frame(got, fix_checksum(patch(wanted, 6, got[ETH + 6:ETH + 8])))


def assert_error(got, about, kind, code, *, port=0, source=None, rest=b"\0\0\0\0",
                 ttl_taken=False):
    """
    An ICMP error about the frame `about`: addresses, both checksums, precedence, and a quote of
    the packet as it came, as long as 576 bytes hold. With `ttl_taken` its TTL may be one less
    (RFC 1812 4.3.2.3 does not ask to undo that).
    """
    original = ip_packet(about)
    ip = ip_packet(got)
    wanted_len = min(ERROR_MAX, 28 + len(original))
    header = struct.pack(">BBH", 0x45, ERROR_TOS, wanted_len)
    problems = []

    def check(what, value, wanted):
        if value != wanted:
            problems.append(f"{what}: {value!r} instead of {wanted!r}")

    check("Ethernet", got[:ETH],
          mac_bytes(HOST_MACS[port]) + mac_bytes(PORT_MACS[port]) + b"\x08\0")
    check("version, TOS, length", ip[:4].hex(), header.hex())
    check("fragment", ip[6] & 0x3f, 0)
    check("protocol", ip[9], 1)
    check("source", ip[12:16], ip_bytes(source or PORT_IPS[port]))
    check("destination", ip[16:20], original[12:16])
    check("header checksum", checksum(ip[:20]), 0)
    check("type and code", (ip[20], ip[21]), (kind, code))
    check("ICMP checksum", checksum(ip[20:]), 0)
    check("rest", ip[24:28].hex(), rest.hex())
    if ip[8] < 32:
        problems.append(f"TTL {ip[8]}")
    quotes = [original]
    if ttl_taken:
        quotes.append(forwarded(about)[ETH:])
    if ip[28:] not in [quote[:wanted_len - 28] for quote in quotes]:
        problems.append("the quote is not the packet that came")
    if problems:
        raise AssertionError("; ".join(problems) + f"\n about\n{dump(about)}\n got\n{dump(got)}")

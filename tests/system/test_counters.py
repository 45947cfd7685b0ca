# SPDX-License-Identifier: BSD-2-Clause
#
# Counters: what `show interfaces` and `show counters` say must be what the peer has seen, and no
# packet buffer may be lost on any way that a packet can take.

import re
import time

import pytest

from rig import frames as fr
from rig.machine import CONFIG, HOST_IPS, PORT_IPS
from rig.router import Router


@pytest.fixture
def own():
    """A router of the test's own, nothing counted yet."""
    config = CONFIG.replace(" ip address 198", " mtu 1400\n ip address 198")
    with Router(config=config) as router:
        router.warm()
        router.console.command("clear counters")
        yield router


def test_packets_and_bytes(own):
    """Frames with their Ethernet header; what is trimmed counts as received, not as sent."""
    frames = [fr.udp(size=60), fr.udp(size=1000), fr.udp(data=b"ab") + bytes(16)]
    before = own.counters()
    out = own.exchange(*frames)
    after = own.counters()
    mark_in = 14 + 28 + 8
    gained = {(port, key): after[port][key] - before[port][key] for port in after
              for key in ("rx_packets", "rx_bytes", "tx_packets", "tx_bytes")}
    assert gained == {
        ("eth0", "rx_packets"): 5, ("eth0", "rx_bytes"): sum(map(len, frames)) + 2 * mark_in,
        ("eth0", "tx_packets"): 1, ("eth0", "tx_bytes"): mark_in,
        ("eth1", "rx_packets"): 0, ("eth1", "rx_bytes"): 0,
        ("eth1", "tx_packets"): 4, ("eth1", "tx_bytes"): sum(map(len, out[1])) + mark_in}


DROPS = {
    "rx-runt": fr.udp()[:20], "rx-oversize": fr.udp(size=1515),
    "not-for-us": fr.udp(eth=fr.ether(dst="02:00:00:00:00:77")),
    "source-mac": fr.udp(eth=fr.ether(src="03:00:00:00:00:77")),
    "ethertype": fr.udp()[:12] + b"\x86\xdd" + fr.udp()[14:],
    "vlan": fr.udp()[:12] + b"\x81\0\0\5" + fr.udp()[12:],
    "ip-header": fr.patch(fr.udp(), 0, b"\x65"),
    "ip-checksum": fr.udp()[:24] + b"\x12\x34" + fr.udp()[26:],
    "martian-source": fr.udp(src="127.0.0.1"), "martian-destination": fr.udp(dst="127.0.0.1"),
    "ttl": fr.udp(ttl=1), "no-route": fr.udp(dst="203.0.113.1"),
    "dont-fragment": fr.udp(size=1514, flags="DF"), "broadcast": fr.udp(dst="198.51.100.255"),
    "l2-broadcast": fr.udp(eth=fr.ether(dst="ff:ff:ff:ff:ff:ff")),
    "arp": fr.arp(1)[:40], "local-protocol": fr.udp(dst=PORT_IPS[0]),
}


def test_every_drop_reason_is_shown(own):
    """Each reason once or more, by its name, in both commands."""
    for times, frame in enumerate(DROPS.values(), 1):
        own.exchange(*[frame] * times)
    text = own.console.command("show interfaces eth0")
    for times, reason in enumerate(DROPS, 1):
        assert re.search(rf"drop {reason} +{times}$", text, re.M), f"{reason} {times}\n{text}"
    counters = own.counters()["eth0"]
    assert {name: counters.get(f"drop.{name}") for name in DROPS} == \
        {name: times for times, name in enumerate(DROPS, 1)}
    assert counters["drops"] == sum(range(1, len(DROPS) + 1))
    assert own.counters()["eth1"]["drops"] == 0


def test_brief(own):
    rows = [line.split() for line in own.console.command("show interfaces brief").splitlines()]
    assert [row[:3] for row in rows[1:]] == [["eth0", "up", "192.0.2.1/24"],
                                             ["eth1", "up", "198.51.100.1/24"]]


def available(router):
    return int(re.search(r"(\d+) available", router.console.command("show memory")).group(1))


def test_no_packet_buffer_is_lost(own):
    """Every way that a packet can take, a hundred times: all buffers are back in the pool."""
    rounds = 100
    cases = [*DROPS.values(), fr.udp(), fr.udp(size=1514), fr.echo(), fr.echo(size=1514), fr.arp(1),
             fr.udp(dst="198.51.100.99"), fr.echo(kind=0),
             fr.patch(fr.udp(size=1514), 6, b"\x20\x40")]
    own.exchange(*cases)
    time.sleep(4)       # until the neighbour that is not there has failed
    own.exchange()
    before = available(own)
    for _ in range(rounds):
        own.exchange(*cases)
    deadline = time.monotonic() + 20
    while available(own) < before and time.monotonic() < deadline:
        own.collect(0.5)
        own.exchange()
    assert available(own) >= before - 8, f"{before - available(own)} buffers have gone"
    own.passes(fr.udp())
    assert HOST_IPS[1] in own.console.command("show arp")

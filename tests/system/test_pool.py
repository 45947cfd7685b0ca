# SPDX-License-Identifier: BSD-2-Clause
#
# The packet pool from outside: what one port's peer or hosts do leaves the other ports their
# packets, and a machine with little memory and many ports has small rings, none of them empty.

import re

import pytest

from rig import frames as fr
from rig.machine import CONFIG, HOST_IPS, HOST_MACS, mac_of
from rig.router import MACHINE, Router

THIRD = ("203.0.113.2", "02:00:00:00:01:03")    # the host at eth2: address, MAC
FOURTH = ("192.168.7.2", "02:00:00:00:01:04")   # at eth3
INTERFACE = "interface {}\n ip address {}/24\n!\n"
ETH2 = INTERFACE.format("eth2", "203.0.113.1") + f"arp {THIRD[0]} {THIRD[1]}\n"
ETH3 = INTERFACE.format("eth3", "192.168.7.1") + f"arp {FOURTH[0]} {FOURTH[1]}\n"
ROUND = 60      # frames on their way at a time


def pool(router):
    """total, available, refused"""
    text = router.console.command("show memory")
    return [int(word) for word in re.search(
        r"^packets +(\d+), (\d+) available, .*refused (\d+) times", text, re.M).groups()]


def configure(router, text):
    for line in ("configure", *text.splitlines(), "commit", "end"):
        router.console.command(line)


def drops(router):
    return {key: count for key, count in router.drops().items() if count}


def both_ways(router, count):
    """Frames between the first two ports, both ways: each one arrives."""
    for _ in range(count // ROUND):
        for port in (0, 1):
            frames = [fr.udp(port) for _ in range(ROUND)]
            out = router.exchange(*frames, port=port)
            fr.assert_frames(out[1 - port], [fr.forwarded(frame, 1 - port) for frame in frames])


def stall(router, dst):
    """Nobody reads what eth2 sends until it takes no more; then a good deal beyond that."""
    link = router.links.pop(2)
    for _ in range(200):
        router.exchange(*[fr.udp(dst=dst) for _ in range(ROUND)])
        if drops(router).get(("eth2", "tx-full"), 0) > 5 * ROUND:
            return link
    raise AssertionError("eth2 takes whatever comes")


def reaches(router, link, dst, mac):
    """A frame from the first host comes out at `link`, which is not one of the first two."""
    link.clear()
    frame = fr.udp(dst=dst)
    router.links[0].send(frame)
    router.wait(lambda: link.receive() or link.frames, 10, f"a frame to {dst}")
    head = fr.mac_bytes(mac) + fr.mac_bytes(mac_of(link.number)) + b"\x08\0"
    assert link.frames[0][:14] == head
    assert link.frames[0][34:] == frame[34:]


def test_stalled_peer():
    """The peer of one port stops reading: its ring fills, and nobody else loses a packet."""
    with Router(config=CONFIG + ETH2, ports=4) as router:
        router.warm()
        both_ways(router, ROUND)
        stalled = stall(router, THIRD[0])
        before = drops(router)
        assert set(before) == {("eth2", "tx-full")}
        both_ways(router, 20 * ROUND)
        # Pressed on: what comes for the stalled port and what goes past it, mixed.
        for _ in range(10):
            good = [fr.udp() for _ in range(ROUND // 2)]
            bad = [fr.udp(dst=THIRD[0]) for _ in good]
            out = router.exchange(*[frame for pair in zip(good, bad) for frame in pair])
            fr.assert_frames(out[1], [fr.forwarded(frame) for frame in good])
        assert set(drops(router)) == {("eth2", "tx-full")}
        # A port that starts now gets its share.
        configure(router, ETH3)
        router.console.command("show interfaces brief")
        reaches(router, router.links[2], FOURTH[0], FOURTH[1])
        both_ways(router, 4 * ROUND)
        assert set(drops(router)) == {("eth2", "tx-full")}
        assert pool(router)[2] == 0, "somebody asked for packets in vain"
        # It reads again.
        stalled.clear()
        router.exchange()
        stalled.clear()
        reaches(router, stalled, THIRD[0], THIRD[1])
        stalled.close()


def test_unanswered_neighbours():
    """Packets for hosts that do not answer fill one port's share; at another, packets wait."""
    with Router(config=CONFIG + ETH2, ports=3) as router:
        router.warm()
        for last in range(10, 70, 6):
            router.exchange(*[fr.udp(dst=f"203.0.113.{last + i}") for i in range(6)
                              for _ in range(8)])
        total, available, _ = pool(router)
        assert drops(router)[("eth0", "neighbour")] > 0     # more than the share
        assert available > total - 3 * 256 - 128 - 64       # rings, one share, some slack
        late, mac = "198.51.100.77", "02:00:00:00:01:77"
        frames = [fr.udp(dst=late) for _ in range(5)]
        for link in router.links:
            link.clear()
        router.links[0].send(*frames)
        router.wait(lambda: router.links[1].arps, 10, "a request for the new host")
        router.links[1].send(fr.arp(2, 1, sender=late, sender_mac=mac, eth_src=mac,
                                    eth_dst=mac_of(1), target_mac=mac_of(1)))
        router.wait(lambda: len(router.links[1].frames) >= 5, 10, "what waited for the new host")
        fr.assert_frames(list(router.links[1].frames),
                         [fr.forwarded(frame, dst_mac=mac) for frame in frames])


def ring(router):
    return int(re.search(r"packet buffers, rings of up to (\d+)",
                         router.console.command("show log")).group(1))


@pytest.mark.parametrize("ports, memory", [(2, "6M"), (4, "6M"), (4, "8M"), (8, "8M"), (8, "16M")])
def test_little_memory(ports, memory):
    """Each port has its packets, and after a flood at one of them still."""
    config = CONFIG + ETH2 * (ports > 2) + ETH3 * (ports > 3)
    with Router(config=None if not MACHINE.fw_cfg else config, ports=ports,
                append=f"mem={memory}") as router:
        if not MACHINE.fw_cfg:      # the archive lies beyond this memory
            configure(router, config)
        assert 8 <= ring(router) <= 256
        router.warm()
        for link in router.links[2:4]:
            reaches(router, link, *(THIRD if link.number == 2 else FOURTH))
        router.links[0].send(*[fr.udp() for _ in range(500)])
        router.collect(1)
        router.exchange()
        for port in (0, 1):
            router.passes(fr.udp(port), port=port)
        total, available, refused = pool(router)
        assert refused == 0
        assert available <= total

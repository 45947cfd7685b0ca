# SPDX-License-Identifier: BSD-2-Clause
#
# Many packets: none lost at a fixed window, and no queue that stands still. The closed-loop
# generator of the measurements does the sending; it checks TTL, checksum and payload of each frame.

import sys
import time

import pytest

from rig import frames as fr
from rig.machine import BEHIND, CONFIG, HOST_IPS, HOST_MACS, TOP
from rig.router import Router
from test_machines import qemu7  # noqa: F401 (a fixture)

sys.path.insert(0, str(TOP / "tests/bench"))
from lib import tools                           # noqa: E402
from lib.generator import Generator             # noqa: E402

ROUTED = CONFIG + f"arp {HOST_IPS[1]} {HOST_MACS[1]}\nip route 198.18.0.0/15 {HOST_IPS[1]}\n"
LIMIT_S = 150


@pytest.fixture(scope="module")
def binary():
    tools.build()
    return tools.GENERATOR


def run(binary, runs, **options):
    """Runs (packets, window, length) one after the other on a fresh router; none may be lost."""
    with Router(config=ROUTED, links=False, **options) as router:
        with Generator(binary, router.dir, destination=BEHIND, count=64) as generator:
            for packets, window, length in runs:
                report = generator.attempt(packets, window, length, LIMIT_S)
                assert report["good"] == packets and not (
                    report["lost"] or report["bad"] or report["duplicates"]), \
                    f"{packets} frames of {length} bytes, window {window}: {report}"
        counters = router.counters()
        total = sum(packets for packets, _, _ in runs)
        assert counters["eth0"]["rx_packets"] >= total
        assert counters["eth1"]["tx_packets"] >= total
        assert counters["eth0"]["drops"] == counters["eth1"]["drops"] == 0, counters
        assert counters["eth0"]["resets"] == counters["eth1"]["resets"] == 0


def test_100000_packets_without_loss(binary):
    run(binary, [(100000, 32, 60)])


def test_long_frames_without_loss(binary):
    run(binary, [(20000, 32, 1514)])


@pytest.mark.parametrize("window", [1, 2, 3, 7, 8, 31, 33, 64, 128])
def test_windows(binary, window):
    """Each way that bursts can fall, one packet an interrupt among them."""
    run(binary, [(3000 if window < 4 else 10000, window, 60)])


def test_no_stall_on_qemu7(binary, qemu7):  # noqa: F811
    """
    The event index of QEMU 7.2, at which other unikernels stand still once some 16 frames are on
    their way: windows around that, many wraps of the ring and of its 16-bit indices.
    """
    run(binary, [(70000, 16, 60), (10000, 17, 60), (10000, 24, 60), (70000, 32, 60),
                 (3000, 1, 60), (10000, 64, 1514)], qemu=qemu7)


def ping_pong(router, flows, seconds):
    """Frames that go to and fro, `flows` at a time, each answered by the next: how many came."""
    router.warm()
    for link in router.links:
        link.clear()
    for _ in range(flows):
        router.links[0].send(fr.udp())
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        router.wait(lambda: router.links[0].frames or router.links[1].frames, 5,
                    f"any of {flows} frames after {count}")
        for link in router.links:
            while link.frames:
                link.frames.popleft()
                link.send(fr.udp(link.number))
                count += 1
    router.wait(lambda: sum(len(link.frames) for link in router.links) >= flows, 5,
                f"the last of {flows} frames")
    assert sum(len(link.frames) for link in router.links) == flows
    return count


@pytest.mark.parametrize("flows", [16, 40])
def test_ping_pong(flows):
    """Both directions at once, for some seconds."""
    with Router() as router:
        assert ping_pong(router, flows, 3) > 100


@pytest.mark.parametrize("flows", [16, 40])
def test_ping_pong_of_qemu7(qemu7, flows):  # noqa: F811
    with Router(qemu=qemu7) as router:
        assert ping_pong(router, flows, 3) > 100


def test_overload():
    """More than fits is dropped and counted, never reordered; afterwards all works."""
    with Router() as router:
        router.warm()
        before = router.counters()
        frames = [fr.udp(size=1000) for _ in range(1500)]
        router.links[0].send(*frames)       # nobody takes in what comes out meanwhile
        router.collect(2)
        got = [bytes(frame) for frame in router.links[1].frames]
        expected = [fr.forwarded(frame) for frame in frames]
        at = 0
        for frame in got:
            at = expected.index(frame, at) + 1
        after = router.counters()
        lost = len(frames) - len(got)
        counted = sum(after[port]["drops"] - before[port]["drops"] for port in after)
        received = after["eth0"]["rx_packets"] - before["eth0"]["rx_packets"]
        assert counted + len(frames) - received == lost, (lost, counted, received)
        router.exchange()
        router.passes(fr.udp())

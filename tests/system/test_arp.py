# SPDX-License-Identifier: BSD-2-Clause
#
# ARP: RFC 826, RFC 1122 2.3.2 (queue, ageing, floods), RFC 5227 (probes, announcements). Who is
# answered, who is believed.

import pytest

from rig import frames as fr
from rig.machine import CONFIG, HOST_IPS, HOST_MACS, PORT_IPS, PORT_MACS
from rig.router import Router

STRANGER = "02:00:00:00:09:09"
QUEUE = 8       # packets that wait for one answer


@pytest.fixture
def fresh():
    """A router that knows nobody, so that each test says what it has learned."""
    config = CONFIG + "arp 198.51.100.40 02:00:00:00:04:04\n"
    with Router(config=config) as router:
        yield router.warm()


@pytest.fixture(scope="module")
def asked():
    with Router() as router:
        yield router.warm()


def send(router, *frames, port=0):
    """Sends and returns the router's ARP frames at that port."""
    for link in router.links:
        link.clear()
    router.links[port].send(*frames)
    marks = list(router._marks(port))[:1]
    router.links[port].send(marks[0][1])
    router.wait(lambda: router._find(port, marks[0][1][42:]))
    return list(router.links[port].arps)


def table(router):
    """{address: (MAC address, state)} of `show arp`."""
    rows = [line.split() for line in router.console.command("show arp").splitlines()[1:]]
    return {row[0]: (row[1], row[3]) for row in rows}


def reply(port=0, target=None, target_mac=None):
    return fr.arp(2, port, sender=PORT_IPS[port], sender_mac=PORT_MACS[port],
                  target=target or HOST_IPS[port], target_mac=target_mac or HOST_MACS[port],
                  eth_dst=target_mac or HOST_MACS[port])


# ---- answers ---------------------------------------------------------------------------------

@pytest.mark.parametrize("port", [0, 1])
def test_arp_reply(asked, port):
    fr.assert_frames(send(asked, fr.arp(1, port), port=port), [reply(port)])


def test_arp_reply_to_unicast_request(asked):
    fr.assert_frames(send(asked, fr.arp(1, eth_dst=PORT_MACS[0])), [reply()])


def test_arp_reply_padded_request(asked):
    fr.assert_frames(send(asked, fr.arp(1) + b"\xaa" * 18), [reply()])


def test_arp_probe_is_answered_not_learned(asked):
    """RFC 5227: the sender has no address yet."""
    got = send(asked, fr.arp(1, sender="0.0.0.0", sender_mac=STRANGER))
    fr.assert_frames(got, [reply(target="0.0.0.0", target_mac=STRANGER)])
    assert STRANGER not in asked.console.command("show arp")


@pytest.mark.parametrize("target", ["192.0.2.3", "198.51.100.1", "192.0.2.255", "203.0.113.1"])
def test_arp_no_reply_for_others(asked, target):
    """Not for the other port's address either, and no proxy ARP."""
    assert send(asked, fr.arp(1, target=target)) == []


def test_arp_no_reply_src_out_range(asked):
    assert send(asked, fr.arp(1, sender="203.0.113.5", sender_mac=STRANGER)) == []
    assert STRANGER not in asked.console.command("show arp")


def test_arp_no_reply_to_other_mac(asked):
    assert send(asked, fr.arp(1, eth_dst="02:00:00:00:00:77")) == []


DAMAGE = {"hardware": (14, b"\0\6"), "protocol": (16, b"\x86\xdd"), "hardware length": (18, b"\7"),
          "protocol length": (19, b"\x10"), "operation 0": (20, b"\0\0"),
          "operation 3": (20, b"\0\3"), "group sender": (22, b"\x01"),
          "zero sender": (22, b"\0" * 6)}


@pytest.mark.parametrize("name", DAMAGE)
def test_malformed_arp_drop(asked, name):
    at, data = DAMAGE[name]
    frame = fr.arp(1)
    asked.dropped(frame[:at] + data + frame[at + len(data):], "arp")


@pytest.mark.parametrize("length", range(15, 42))
def test_truncated_arp_drop(asked, length):
    asked.dropped(fr.arp(1)[:length], "arp")


# ---- learning --------------------------------------------------------------------------------

def test_host_that_asks_is_learned(fresh):
    """RFC 826: it will be spoken to soon; no broadcast of ours is needed then."""
    send(fresh, fr.arp(1, sender="192.0.2.30", sender_mac=STRANGER))
    fresh.passes(fr.udp(1, dst="192.0.2.30"), port=1, dst_mac=STRANGER)
    asked_all = [each for each in fresh.links[0].arps if each[:6] == b"\xff" * 6]
    assert not asked_all, "it asked everybody for what it had heard"


def test_moved_host(fresh):
    """A gratuitous ARP moves a known host to its new MAC address at once."""
    for kind in (1, 2):
        mac = f"02:00:00:00:0{kind}:11"
        fresh.links[1].answers[fr.ip_bytes(HOST_IPS[1])] = fr.mac_bytes(mac)
        send(fresh, fr.arp(kind, 1, sender=HOST_IPS[1], sender_mac=mac, target=HOST_IPS[1]), port=1)
        fresh.passes(fr.udp(), dst_mac=mac)


def test_arp_garp_of_stranger_not_learned(fresh):
    """Only those we have to do with are believed, or the table could be filled from outside."""
    send(fresh, fr.arp(1, sender="192.0.2.50", sender_mac=STRANGER, target="192.0.2.50"),
         fr.arp(2, sender="192.0.2.51", sender_mac=STRANGER, target="192.0.2.51"),
         fr.arp(2, sender="192.0.2.52", sender_mac=STRANGER, eth_dst=PORT_MACS[0],
                target_mac=PORT_MACS[0]))
    assert STRANGER not in fresh.console.command("show arp")


@pytest.mark.parametrize("sender", ["198.51.100.9", "10.0.0.1", "192.0.2.255", "192.0.2.0",
                                    "224.0.0.1", "127.0.0.1"])
def test_arp_garp_out_of_subnet_not_learned(asked, sender):
    asked.dropped(fr.arp(1, sender=sender, sender_mac=STRANGER, target=sender), "arp")
    assert STRANGER not in asked.console.command("show arp")


def test_known_host_is_not_moved_from_the_other_port(fresh):
    """Host 2's address, claimed at eth0."""
    send(fresh, fr.arp(1, sender=HOST_IPS[1], sender_mac=STRANGER, target=HOST_IPS[1]))
    fresh.passes(fr.udp())


def test_own_address_is_not_believed(fresh):
    """Somebody claims the router's address: said in the log, and nothing else changes."""
    send(fresh, fr.arp(1, sender=PORT_IPS[0], sender_mac=STRANGER, target=PORT_IPS[0]))
    assert "uses our address 192.0.2.1" in fresh.console.command("show log")
    fresh.passes(fr.udp())
    request = fr.echo()
    fr.assert_echo_reply(fresh.exchange(request)[0][0], request)


def test_static_neighbour(fresh):
    """No request is sent for it, and no ARP changes it."""
    frame = fr.udp(dst="198.51.100.40")
    fresh.passes(frame, dst_mac="02:00:00:00:04:04")
    send(fresh, fr.arp(1, 1, sender="198.51.100.40", sender_mac=STRANGER), port=1)
    fresh.passes(fr.udp(dst="198.51.100.40"), dst_mac="02:00:00:00:04:04")
    assert table(fresh)["198.51.100.40"] == ("02:00:00:00:04:04", "static")


# ---- requests and the queue ------------------------------------------------------------------

def test_announces_itself(fresh):
    """RFC 5227: one gratuitous ARP a port when it comes up. Looked at where the link goes up."""
    fresh.qmp.run("set_link", name="nic0", up=False)
    fresh.console.expect("eth0: link down")
    fresh.links[0].clear()
    fresh.qmp.run("set_link", name="nic0", up=True)
    fresh.wait(lambda: fresh.links[0].arps, 10, "an announcement")
    fr.assert_frame(fresh.links[0].arps[0],
                    fr.arp(1, sender=PORT_IPS[0], sender_mac=PORT_MACS[0], target=PORT_IPS[0]))


def test_queue_is_bounded_and_flushed_in_order(fresh):
    """More packets than fit wait for an answer: the latest go out, in order, the rest counted."""
    dst, mac = "198.51.100.60", "02:00:00:00:06:06"
    frames = [fr.udp(dst=dst, size=60 + i) for i in range(QUEUE + 5)]
    before = fresh.drops().get(("eth0", "neighbour"), 0)
    out = fresh.exchange(*frames)
    assert not any(out), "sent without an answer"
    asked = [each for each in fresh.links[1].arps if each[38:42] == fr.ip_bytes(dst)]
    assert len(asked) == 1, f"{len(asked)} requests for one address within a second"
    fresh.links[1].send(fr.arp(2, 1, sender=dst, sender_mac=mac, eth_dst=PORT_MACS[1],
                               target_mac=PORT_MACS[1]))
    fresh.wait(lambda: len(fresh.links[1].frames) >= QUEUE, 10, "the packets that waited")
    fr.assert_frames(list(fresh.links[1].frames),
                     [fr.forwarded(frame, dst_mac=mac) for frame in frames[-QUEUE:]])
    assert fresh.drops()[("eth0", "neighbour")] == before + 5
    fresh.passes(fr.udp(dst=dst), dst_mac=mac)


def test_scan_leaves_neighbours_alone(fresh):
    """Packets to a whole subnet: known hosts go on, the table does not grow without a limit."""
    fresh.exchange(*[fr.udp(dst=f"198.51.100.{last}") for last in range(3, 255) if last != 40])
    fresh.passes(fr.udp())
    fresh.passes(fr.udp(1), port=1)
    assert table(fresh)[HOST_IPS[1]][0] == HOST_MACS[1]
    assert "refused            0" in fresh.console.command("show memory")


def test_request_flood(fresh):
    """Requests from every address of the subnet: each answered, the known host stays."""
    senders = [f"192.0.2.{last}" for last in range(3, 255)]
    for at in range(0, len(senders), 50):
        part = senders[at:at + 50]
        got = send(fresh, *[fr.arp(1, sender=each, sender_mac=STRANGER) for each in part])
        fr.assert_frames(got, [reply(target=each, target_mac=STRANGER) for each in part])
    fresh.passes(fr.udp(1), port=1)

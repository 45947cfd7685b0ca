# SPDX-License-Identifier: BSD-2-Clause
#
# Configuration: the design's example as it stands, wrong lines with number and reason, the three
# sources in their order, and whole-or-nothing at run time. What counts is what the peers see.

import re

import pytest

from rig import blobs
from rig import frames as fr
from rig.frames import UNREACHABLE, NET
from rig.machine import BEHIND, CONFIG, HOST_MACS
from rig.router import MACHINE, Router

EXAMPLE = """hostname edge1
interface eth0
 ip address 192.0.2.1/24
 ipv6 address 2001:db8::1/64
!
interface eth1
 ip address 198.51.100.1/24
!
arp 198.51.100.2 02:00:00:00:01:02
ip route 198.18.0.0/15 198.51.100.2
forwarding cpus 1-3
"""
BAD = (CONFIG.replace("192.0.2.1/24", "192.0.2.1/33")
       + "ip route 198.18.0.1/15 198.51.100.2\nfoo bar\n")
SOURCE = MACHINE.source
needs_fw_cfg = pytest.mark.skipif(not MACHINE.fw_cfg, reason="a machine without fw_cfg: the "
                                  "initial archive is its only source")


def initrd(tmp_path, text):
    path = tmp_path / "initrd"
    path.write_bytes(blobs.cpio({"etc/other": b"x" * 1000, "etc/sluice.conf": text.encode()}))
    return path


def test_example():
    """Accepted as it stands; IPv6 and CPUs that are not there give one warning each."""
    with Router(config=EXAMPLE) as router:
        text = router.console.text()
        assert f"config: from {SOURCE}" in text
        warnings = [line for line in text.splitlines() if f"config: {SOURCE}" in line]
        assert len(warnings) == 2, text
        assert "line 4" in warnings[0] and "ipv6" in warnings[0].lower(), text
        assert "line 11" in warnings[1] and "CPU" in warnings[1], text
        # The static neighbour needs no ARP.
        router.links[1].answers.clear()
        router.exchange()
        router.passes(fr.udp(dst=BEHIND), dst_mac=HOST_MACS[1])
        assert not any(each[38:42] == fr.ip_bytes("198.51.100.2") for each in router.links[1].arps)


def test_example_with_windows_line_ends():
    with Router(config=EXAMPLE.replace("\n", "\r\n")) as router:
        router.warm().passes(fr.udp(dst=BEHIND))


WRONG = [
    ("interface eth9", "no interface 'eth9'"),
    ("ip route 198.18.0.1/15 198.51.100.2", "198.18.0.0/15"),
    ("ip route 198.18.0.0/15 198.51.100.300", "198.51.100.300"),
    ("ip route 198.18.0.0/33 198.51.100.2", "198.18.0.0/33"),
    ("ip address 192.0.2.9/24", "interface"),
    ("arp 198.51.100.2 02:00:00:00:01", "02:00:00:00:01"),
    ("arp 198.51.100.2 03:00:00:00:01:02", "03:00:00:00:01:02"),
    ("forwarding cpus 3-1", "3-1"),
    ("forwarding cpus x", "x"),
    ("hostname -edge", "-edge"),
    ("frobnicate", "frobnicate"),
    ("hostname", "expected"),
    ("hostname a b", "expected"),
    ("interface eth0\n mtu 10", "10"),
    ("interface eth0\n mtu 9000", "9000"),
    ("interface eth0\n ip address 10.0.0.0/8", "10.0.0.0"),
    ("interface eth0\n ip address 198.51.100.9/25", "overlap"),
    ("interface eth0\n ipv6 address 2001:db8::x/64", "2001:db8::x/64"),
    ("ip route 198.18.0.0/15 198.51.100.2\nip route 198.18.0.0/15 198.51.100.3", "198.18.0.0/15"),
    ("x" * 300, "longer"),
    ("hostname \x01\xff", "0x01"),
]


@pytest.mark.parametrize("lines,reason", WRONG, ids=lambda each: each[:24].replace("\n", " "))
def test_wrong_line_is_named(lines, reason):
    """By its number and with a word about what is wrong; nothing of the text is in force."""
    number = len(CONFIG.splitlines()) + len(lines.splitlines())
    with Router(config=(CONFIG + lines + "\n").encode("latin-1")) as router:
        text = router.console.text()
        found = re.search(rf"config: {SOURCE} line {number}: (.*)", text)
        assert found and reason in found.group(1), text
        assert f"{SOURCE} is not used" in text
        assert "config: from built-in default" in text
        assert router.counters()["eth0"]["state"] == "off"


def test_every_wrong_line_is_named():
    """All of a text's mistakes in one go, in order."""
    with Router(config=BAD) as router:
        text = router.console.text()
        found = [int(number) for number in re.findall(rf"{SOURCE} line (\d+):", text)]
        assert found == [3, 8, 9]


@needs_fw_cfg
def test_next_source_is_used(tmp_path):
    """fw_cfg is bad: the initial archive's text is used."""
    with Router(config=BAD, initrd=initrd(tmp_path, CONFIG.replace("edge1", "second"))) as router:
        text = router.console.text()
        assert "fw_cfg opt/org.sluice/config is not used" in text
        assert "config: from /etc/sluice.conf" in text and "second#" in text
        router.warm().passes(fr.udp())


@needs_fw_cfg
def test_first_source_wins(tmp_path):
    with Router(initrd=initrd(tmp_path, CONFIG.replace("edge1", "second"))) as router:
        assert "edge1#" in router.console.text()


def test_initrd_alone(tmp_path):
    with Router(config=None, initrd=initrd(tmp_path, CONFIG)) as router:
        assert "config: from /etc/sluice.conf" in router.console.text()
        router.warm().passes(fr.udp())


@needs_fw_cfg
def test_all_sources_bad(tmp_path):
    """The built-in one is used, and the console works."""
    with Router(config=BAD, initrd=initrd(tmp_path, "nonsense\n")) as router:
        text = router.console.text()
        assert "/etc/sluice.conf line 1" in text and "config: from built-in default" in text
        assert "sluice#" in text
        assert "eth0" in router.console.command("show interfaces")


@pytest.mark.parametrize("data", [b"", b"070701", b"\0" * 512, b"\xff" * 4096,
                                  blobs.cpio({"etc/sluice.conf": b"x" * 300})[:200],
                                  blobs.cpio({"a": b""}).replace(b"00000002", b"ffffffff")],
                         ids=["empty", "magic", "zeros", "ones", "cut", "lying"])
def test_damaged_initrd(tmp_path, data):
    """An archive that is none: the built-in configuration, never a crash."""
    path = tmp_path / "initrd"
    path.write_bytes(data or b"\n")
    with Router(config=None, initrd=path) as router:
        assert "config: from built-in default" in router.console.text()


@pytest.mark.parametrize("config", ["", "\n" * 1000, "! only\n# comments\n", "hostname x\n"],
                         ids=["empty", "blank", "comments", "hostname"])
def test_text_without_interfaces(config):
    """Fine as texts; no port is opened, and that is said."""
    with Router(config=config) as router:
        router.console.find("no port is configured")
        assert router.counters()["eth0"]["state"] == "off"


def test_text_too_long():
    with Router(config="# " + "x" * (1 << 20) + "\n" + CONFIG) as router:
        assert "is not used" in router.console.text()
        assert "config: from built-in default" in router.console.text()


def test_many_routes():
    """Some thousand lines; the last one works like the first."""
    routes = "".join(f"ip route 10.{i >> 8}.{i & 255}.0/24 198.51.100.2\n" for i in range(5000))
    with Router(config=CONFIG + routes) as router:
        router.warm()
        for i in (0, 2500, 4999):
            router.passes(fr.udp(dst=f"10.{i >> 8}.{i & 255}.7"))
        router.error(fr.udp(dst=f"10.{5000 >> 8}.{5000 & 255}.7"), UNREACHABLE, NET)


# ---- at run time -----------------------------------------------------------------------------

@pytest.fixture
def own():
    with Router() as router:
        yield router.warm()


def configure(router, *lines):
    return [router.console.command(line) for line in ("configure", *lines)]


def test_commit_takes_effect(own):
    own.error(fr.udp(dst=BEHIND), UNREACHABLE, NET)
    said = configure(own, "ip route 198.18.0.0/15 198.51.100.2", "commit", "end")
    assert said[2] == "applied"
    own.passes(fr.udp(dst=BEHIND))
    configure(own, "no ip route 198.18.0.0/15", "commit", "end")
    own.error(fr.udp(dst=BEHIND), UNREACHABLE, NET)


def test_nothing_before_commit(own):
    """What is typed is a plan; `abort` forgets it."""
    configure(own, "ip route 198.18.0.0/15 198.51.100.2")
    own.error(fr.udp(dst=BEHIND), UNREACHABLE, NET)
    own.console.command("abort")
    own.error(fr.udp(dst=BEHIND), UNREACHABLE, NET)
    assert "198.18" not in own.console.command("show running-config")


def test_whole_or_nothing(own):
    """A pasted text with one wrong line: the commit applies nothing, what was running runs on."""
    before = own.console.command("show running-config")
    said = configure(own, "hostname other", "interface eth1", "no ip address 198.51.100.1/24",
                     "ip address 198.51.100.1/99", "commit")
    assert "error" in said[4] and "not applied" in said[5]
    own.passes(fr.udp())
    own.console.command("abort")
    assert own.console.command("show running-config") == before
    own.passes(fr.udp(1), port=1)


def test_address_goes(own):
    """Without its address a port answers nobody and takes no IP packet."""
    configure(own, "interface eth0", "no ip address", "commit", "end")
    own.links[0].clear()
    own.links[0].send(fr.arp(1), fr.echo())
    own.collect(1)
    assert not own.links[0].frames and not own.links[0].arps
    assert own.drops()[("eth0", "no-address")] >= 2
    configure(own, "interface eth0", "ip address 192.0.2.1/24", "commit", "end")
    own.exchange()
    own.passes(fr.udp())


def test_shutdown_and_back(own):
    configure(own, "interface eth1", "shutdown", "commit", "end")
    assert own.counters()["eth1"]["state"] == "off"
    frame = fr.udp()
    own.links[0].clear()
    own.links[0].send(frame)
    own.wait(lambda: own.links[0].frames, 10, "an error")
    fr.assert_error(own.links[0].frames[0], frame, UNREACHABLE, NET)
    configure(own, "interface eth1", "no shutdown", "commit", "end")
    own.exchange()
    own.passes(fr.udp())
    own.passes(fr.udp(1), port=1)


def test_second_address(own):
    """Another subnet on the same port: answered and routed to at once."""
    configure(own, "interface eth1", "ip address 10.9.0.1/16", "commit", "end")
    own.links[1].answers[fr.ip_bytes("10.9.8.7")] = fr.mac_bytes("02:00:00:00:01:99")
    own.exchange(fr.udp(dst="10.9.8.7"))
    own.passes(fr.udp(dst="10.9.8.7"), dst_mac="02:00:00:00:01:99")


def test_traffic_during_changes(own):
    """A change that concerns other destinations costs the running traffic nothing."""
    own.links[1].clear()
    frames = []
    for turn in range(10):
        part = [fr.udp() for _ in range(30)]
        frames += part
        own.links[0].send(*part)
        configure(own, f"ip route 10.{turn}.0.0/16 198.51.100.2", "interface eth0",
                  f"description change {turn}", "commit", "end")
    own.wait(lambda: len(own.links[1].frames) >= len(frames))
    fr.assert_frames(list(own.links[1].frames), [fr.forwarded(frame) for frame in frames])


def test_host_only_port_does_not_forward():
    """`host-only`: the port answers for itself, its packets go nowhere else."""
    config = CONFIG.replace(" ip address 192", " host-only\n ip address 192")
    with Router(config=config) as router:
        assert "host-only" in router.console.command("show interfaces eth0")
        request = fr.echo()
        router.links[0].clear()
        router.links[0].send(request, fr.udp())
        router.wait(lambda: router.links[0].frames, 20, "an echo reply")
        fr.assert_echo_reply(router.links[0].frames[0], request)
        router.collect(1)
        assert not router.links[1].frames, "forwarded from a host-only port"
        assert router.drops()[("eth0", "host-only")] == 1

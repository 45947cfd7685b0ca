# SPDX-License-Identifier: BSD-2-Clause
#
# The prompt on the serial line, key by key: editing, history, completion, help, the commands, and
# what happens to garbage.

import re

import pytest

from rig import frames as fr
from rig.machine import CONFIG, HOST_IPS, PORT_MACS
from rig.router import MACHINE, Router

CTRL_A, CTRL_C, CTRL_D, CTRL_E, CTRL_K, CTRL_U, CTRL_W = (
    "\x01", "\x03", "\x04", "\x05", "\x0b", "\x15", "\x17")
UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
VERSION = r"Sluice \d"


@pytest.fixture(scope="module")
def running():
    with Router() as router:
        yield router.warm()


@pytest.fixture
def console(running):
    """At an empty prompt, whatever the test before left there."""
    running.console.send(CTRL_C)
    running.console.settle(0.1)
    return running.console


def types(console, keys, pattern):
    """Sends keys and expects a pattern in what comes; ^ is the first character of that."""
    console.skip()
    console.data, console.at = b"", 0
    console.send(keys)
    return console.expect(pattern, 20)


# ---- keys ------------------------------------------------------------------------------------

@pytest.mark.parametrize("keys", [
    "show version\r", "show version\n", "  show   version  \r", "sh ver\r",
    "shwo\x7f\x7fow version\r", "shwo\x08\x08ow version\r",
    "ow version" + CTRL_A + "sh\r", "show versio" + LEFT * 3 + CTRL_E + "n\r",
    "show vesion" + LEFT * 4 + "r\r", "xyz" + CTRL_U + "show version\r",
    "show log" + CTRL_W + "version\r", "show versionxyz" + LEFT * 3 + CTRL_K + "\r",
    "shw version" + "\x1b[D" * 9 + "o\r", "show version" + RIGHT * 5 + "\r",
    "garbage" + CTRL_C + "show version\r"], ids=range(15))
def test_editing(console, keys):
    types(console, keys, VERSION)


def test_history(console):
    console.command("show version")
    console.command("show irq")
    types(console, UP + UP + "\r", VERSION)


def test_history_back_to_what_was_typed(console):
    console.command("show irq")
    types(console, "show ver" + UP + DOWN + "\r", VERSION)


@pytest.mark.parametrize("keys,line", [
    ("show ver\t\r", "show version "), ("sho\t", "show "), ("show int\t", "show interfaces "),
    ("show counters eth0\t", "show counters eth0 "), ("conf\t", "configure ")])
def test_completion(console, keys, line):
    types(console, keys, "^" + re.escape(line))


def test_completion_lists_what_is_possible(console):
    types(console, "show i\t", "interfaces")
    console.expect("irq")


def test_completion_of_ports(console):
    types(console, "show counters e\t", r"^show counters eth")


def test_help_of_all(console):
    text = types(console, "?", r"show version[^\n]*\n(?:.*\n)*?.*# ")
    assert text
    for name in ("configure", "ping", "poweroff", "reboot", "show arp", "show interfaces",
                 "show ip route", "show log", "show memory", "show version"):
        assert re.search(rf"^ +{name} ", console.text(), re.M), name


def test_help_keeps_the_line(console):
    """The question mark is no part of the line, which stays there to be finished."""
    types(console, "show ver?", "show version|version")
    types(console, "sion\r", VERSION)


def test_ctrl_d_does_not_end_the_console(console):
    console.send(CTRL_D)
    console.settle()
    assert "Sluice" in console.command("show version")


def test_typed_ahead(console):
    """Lines that come while a command runs are run afterwards, in order."""
    console.skip()
    console.send("show version\rshow memory\rshow version\r")
    for pattern in (VERSION, "RAM ", VERSION):
        console.expect(pattern)


@pytest.mark.parametrize("line,reason", [
    ("frobnicate", "unknown word 'frobnicate'"), ("show", "incomplete"), ("s", "incomplete|ambig"),
    ("show version now", "usage|unexpected"), ("show interfaces eth9", "no interface 'eth9'"),
    ("ping", "usage"), ("ping 300.1.1.1", "usage"), ("ping 1.2.3.4 size 99999", "size 0-1400"),
    ("show ip route 1.2.3", "usage"), ("x" * 250, "unknown")], ids=lambda each: each[:20])
def test_wrong_command(console, line, reason):
    assert re.search(reason, console.command(line))


def test_line_too_long(console):
    """More than fits: cut or refused, and the next line is fine."""
    console.send("x" * 1000 + "\r")
    console.expect("unknown|long")
    console.settle()
    assert "Sluice" in console.command("show version")


def test_garbage(console):
    """All byte values, escape sequences that do not end: no crash, the prompt comes back."""
    console.send(bytes(range(256)) + b"\x1b[" + b"9" * 50 + b"\x1b\x1b[;;;Z" + b"\xff" * 100)
    console.settle()
    console.send(CTRL_C + CTRL_U)
    console.settle()
    assert "Sluice" in console.command("show version")


# ---- commands --------------------------------------------------------------------------------

def test_show_version(console):
    text = console.command("show version")
    assert "application 'router'" in text and re.search(MACHINE.cpu_words, text), text


def test_show_interfaces(console):
    text = console.command("show interfaces")
    for number, address in enumerate(("192.0.2.1/24", "198.51.100.1/24")):
        assert f"eth{number} is up, virtio-net" in text
        assert f"MAC {PORT_MACS[number]}, MTU 1500" in text and f"address {address}" in text


def test_show_arp(console):
    rows = [line.split() for line in console.command("show arp").splitlines()]
    assert ["192.0.2.2", "02:00:00:00:01:01", "eth0"] in [row[:3] for row in rows]


def test_show_ip_route(console):
    text = console.command("show ip route")
    assert re.search(r"C> 192.0.2.0/24 +connected, eth0", text)
    assert re.search(r"L> 198.51.100.1/32 +this machine, eth1", text)
    assert "198.51.100.0/24" in console.command("show ip route 198.51.100.77")
    assert "no route" in console.command("show ip route 9.9.9.9") \
        or "not found" in console.command("show ip route 9.9.9.9")


def test_show_memory_and_log(console):
    assert re.search(rf"RAM +{MACHINE.ram_kib} KiB", console.command("show memory"))
    assert "eth0: virtio-net" in console.command("show log")


def test_show_threads(console):
    """Each thread with the most of its stack that it ever used; that of the start cannot tell."""
    rows = re.findall(r"^ *\d+ (\S+) .* (\d+) +(\d+|-)\s*$", console.command("show threads"), re.M)
    stacks = {name: (int(kib) << 10, most) for name, kib, most in rows}
    assert stacks["idle"][1] == "-"
    for name in "main", "console", "reaper":
        size, most = stacks[name]
        assert 200 < int(most) < size * 3 // 4, (name, size, most)


def test_ping_host(running, console):
    """The host sees an echo request with all its fields right; its answer is shown."""
    link = running.links[1]
    link.clear()
    console.skip()
    console.send(f"ping {HOST_IPS[1]} count 1 size 40\r")
    request = running.wait(lambda: link.frames and link.frames.popleft(), 20, "an echo request")
    ip = fr.ip_packet(request)
    assert fr.checksum(ip[:20]) == 0 and fr.checksum(ip[20:]) == 0 and len(ip) == 68
    assert (ip[9], ip[20], ip[21]) == (1, 8, 0)
    assert ip[12:16] == fr.ip_bytes("198.51.100.1") and ip[16:20] == fr.ip_bytes(HOST_IPS[1])
    answer = bytearray(ip[20:])
    answer[0:4] = b"\0\0\0\0"
    answer[2:4] = fr.checksum(answer).to_bytes(2, "big")
    link.send(bytes(fr.ether(1) / fr.IP(src=HOST_IPS[1], dst="198.51.100.1", proto=1, ttl=61)
                    / fr.Raw(bytes(answer))))
    console.expect(r"40 bytes from 198.51.100.2: seq=1 ttl=61 time=")
    console.expect(r"1 sent, 1 received, 0% lost")
    console.wait_prompt()


def test_ping_nobody(console):
    text = console.command("ping 192.0.2.99 count 1", 20)
    assert "1 sent, 0 received, 100% lost" in text


def test_ping_is_interrupted(console):
    console.skip()
    console.send("ping 192.0.2.98 count 1000\r")
    console.expect("seq=1", 20)
    console.send(CTRL_C)
    console.expect("sent, 0 received")
    console.wait_prompt()


def test_ping_without_route(console):
    assert re.search("no route|unreachable", console.command("ping 9.9.9.9 count 1"))


def test_configure_prompt(console):
    console.skip()
    console.send("configure\r")
    console.expect(r"edge1\(config\)# ")
    console.send("interface eth0\r")
    console.expect(r"edge1\(config-if\)# ")
    console.send("exit\r")
    console.expect(r"edge1\(config\)# ")
    assert "interface eth1" in console.command("show")
    assert "Sluice" in console.command("do show version")
    console.send("abort\r")
    console.expect(r"edge1# ")


def test_forwarding_while_console_is_busy(running, console):
    """Output that nobody reads must not stop packets."""
    console.send("show log\r" * 40)
    for _ in range(5):
        running.passes(fr.udp())
    console.settle(1)


# ---- power -----------------------------------------------------------------------------------

def test_reboot():
    """A reset: it boots again by itself, with the same configuration, and forwards."""
    with Router(config=CONFIG) as router:
        router.console.skip()
        router.console.send("reboot\r")
        router.console.expect(f"config: from {MACHINE.source}", 60)
        router.console.wait_prompt(60)
        router.warm().passes(fr.udp())


def test_poweroff():
    with Router() as router:
        router.console.send("poweroff\r")
        assert router.wait_exit() == 0

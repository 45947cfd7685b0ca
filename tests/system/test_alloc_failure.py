# SPDX-License-Identifier: BSD-2-Clause
#
# Memory that cannot be had: in a debug image every place that asks for memory fails on purpose
# (mm/fault_inject.h), while a peer drives traffic and a user changes the configuration. The router
# goes on, loses no more packets than requests failed, does afterwards all it could do before, and
# keeps no memory.

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from rig import frames as fr
from rig.frames import FRAG_NEEDED, HOST, NET, PORT, TIME_EXCEEDED, UNREACHABLE
from rig.machine import CONFIG, HOST_IPS, PORT_IPS, TOP
from rig.router import LIMIT_S, PLATFORM, Router, RouterError

IMAGE = TOP / f"out/{PLATFORM}-debug/router.img"
MTU = 1000                  # of eth1
STANDARD = CONFIG.replace(" ip address 198", f" mtu {MTU}\n ip address 198") \
    + f"ip route 198.18.0.0/15 {HOST_IPS[1]}\n"
ROUNDS_MAX = 8
PASSES_MAX = 6
TRIES = 12                  # of a command: each may meet a few places that fail once
FLOOD = 100
NO_MEMORY = re.compile(r"out of memory|no memory|error -?12\b", re.I)
# What a kernel says that has met what must not be.
BROKEN = re.compile(r"panic|fault:|unexpected exception|assertion|poison|red zone|refused:|in atomic"
                    r"|double free|system halted", re.I)
SLACK_KIB = 128             # what per-CPU lists and half-used slabs make of the same state


@pytest.fixture(scope="module")
def image():
    """The debug router of this tree: a `make` that finds it up to date is quick."""
    if "DEBUG_ROUTER_IMAGE" in os.environ:
        return Path(os.environ["DEBUG_ROUTER_IMAGE"])
    environment = {**os.environ, "PLATFORM": PLATFORM, "DEBUG": "1", "LLVM": "", "JOBS": "2"}
    built = subprocess.run(["build/make.sh", "APP=router", "image"], cwd=TOP, env=environment,
                           capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    return IMAGE


# ---- the router under failure --------------------------------------------------------------------

class Patient(Router):
    """A router whose every answer may fail to come, but not for ever."""

    def sites(self):
        """{place: times that it failed}; two files may have functions of one name"""
        found = {}
        for line in self.console.command("show allocation-sites").splitlines()[1:]:
            words = line.split()
            if len(words) == 4 and words[2].isdigit():
                found[f"{words[3]}#{words[0]}"] = int(words[2])
        assert found, self.console.tail()
        return found

    def failures(self):
        return sum(self.sites().values())

    def arm(self, how):
        answer = self.console.command(f"debug allocations fail {how}")
        assert not answer, answer

    def insist(self, line, wanted=""):
        """Repeats a command until it has the memory for it; what it said then."""
        for _ in range(TRIES):
            text = self.console.command(line)
            if not NO_MEMORY.search(text) and re.search(wanted, text):
                return text
            self.collect(0.05)
        raise RouterError(f"'{line}' fails for ever\n{self.console.tail()}")

    def configure(self, *lines):
        """Commits lines; one that there is no memory for is entered again."""
        for _ in range(TRIES):
            text = self.console.command("configure")
            if not NO_MEMORY.search(text):
                break
        for line in lines:
            self.insist(line)
        self.insist("commit", "^applied")
        self.console.command("end")
        text = self.console.text()
        assert re.search(r"\n[\w-]+# $", text), "still in configure mode\n" + self.console.tail()

    def flood(self, frames, port=0, out=None, budget=0):
        """
        Sends frames, waits until what followed them has come, and asserts that of `out` (frames)
        no more than `budget` are missing at the other port.
        """
        link = self.links[1 - port]
        for each in self.links:
            each.clear()
        for at in range(0, len(frames), 32):
            self.links[port].send(*frames[at:at + 32])
            self.behind(port)
        came = [bytes(frame) for frame in link.frames]
        return [frame for frame in out if frame not in came]

    def behind(self, port):
        """Until a frame that was sent behind all others has passed, in one of several tries."""
        for _ in range(TRIES):
            try:
                return self._wait_marks(port, 2)
            except RouterError:
                assert self.alive()
        raise RouterError(f"nothing passes any more\n{self.console.tail()}")

    def lenient(self, lost, before, what):
        """No more was lost than requests failed since `before`."""
        assert len(lost) <= self.failures() - before, \
            f"{what}: {len(lost)} lost, {self.failures() - before} requests failed"

    def until(self, send, arrived, tries, what):
        """Sends anew until something came; at most `tries` times."""
        for attempt in range(tries):
            send(attempt)
            end = time.monotonic() + 2
            while time.monotonic() < end:
                if arrived():
                    return
                self.pump(0.1)
        raise RouterError(f"{what}: nothing in {tries} tries\n{self._came()}")


# ---- what is driven ------------------------------------------------------------------------------

def forwarding(router, _):
    """To known neighbours, in both directions, and to a net behind one of them."""
    for port in (0, 1):
        before = router.failures()
        sent = [fr.udp(port) for _ in range(FLOOD)]
        lost = router.flood(sent, port, [fr.forwarded(frame, 1 - port) for frame in sent])
        router.lenient(lost, before, "forwarding")
    before = router.failures()
    sent = [fr.udp(dst="198.18.0.9") for _ in range(FLOOD)]
    router.lenient(router.flood(sent, 0, [fr.forwarded(frame) for frame in sent]), before, "route")


def new_neighbours(router, turn):
    """Hosts that the router must ask for first; all of them answer."""
    macs = {}
    for number in range(4):
        address = f"198.51.100.{20 + (turn * 4 + number) % 200}"
        macs[address] = f"02:00:00:00:02:{20 + (turn * 4 + number) % 200:02x}"
        router.links[1].answers[fr.ip_bytes(address)] = fr.mac_bytes(macs[address])
    before = router.failures()
    router.links[1].clear()
    sent = [fr.udp(dst=address) for address in macs for _ in range(2)]
    wanted = [fr.forwarded(frame, dst_mac=macs[address])
              for frame, address in zip(sent, [a for a in macs for _ in range(2)])]
    router.links[0].send(*sent)
    end = time.monotonic() + 5
    while len(router.links[1].frames) < len(wanted) and time.monotonic() < end:
        router.pump(0.2)
        if time.monotonic() > end - 3 and router.failures() > before:
            break
    came = list(router.links[1].frames)
    router.lenient([frame for frame in wanted if frame not in came], before, "new neighbours")
    for address, mac in macs.items():       # and later they are reached
        frame = fr.udp(dst=address)
        router.until(lambda _, frame=frame: router.links[0].send(frame),
                     lambda frame=frame, mac=mac: fr.forwarded(frame, dst_mac=mac)
                     in router.links[1].frames, TRIES, f"new neighbour {address}")
        router.links[1].answers.pop(fr.ip_bytes(address))


def silent_neighbour(router, turn):
    """A host that does not answer: its sender is told."""
    frame = fr.udp(dst=f"198.51.100.{230 + turn % 20}")
    answer_comes(router, frame, UNREACHABLE, HOST, ttl_taken=True)


def answer_comes(router, frame, kind, code, **more):
    """An ICMP error, at the latest when it has been asked for often enough."""
    def found():
        for each in router.links[0].frames:
            try:
                fr.assert_error(each, frame, kind, code, **more)
                return True
            except AssertionError:
                pass
        return False
    router.links[0].clear()
    router.until(lambda _: router.links[0].send(frame), found, TRIES, f"error {kind}/{code}")


def errors(router, _):
    answer_comes(router, fr.udp(ttl=1), TIME_EXCEEDED, 0)
    answer_comes(router, fr.udp(dst="203.0.113.200"), UNREACHABLE, NET)
    answer_comes(router, fr.udp(dst=PORT_IPS[0]), UNREACHABLE, PORT)
    answer_comes(router, fr.udp(size=1400, flags="DF"), UNREACHABLE, FRAG_NEEDED,
                 rest=MTU.to_bytes(4, "big"), ttl_taken=True)


def pieces(router, _):
    """Packets that are too long for the way out: each comes whole, in pieces, or not at all."""
    before = router.failures()
    sent = [fr.udp(size=1500) for _ in range(20)]
    wanted = [piece for frame in sent for piece in fr.fragments(frame, MTU)]
    lost = router.flood(sent, 0, wanted)
    per_packet = len(wanted) // len(sent)
    router.lenient(lost[::per_packet], before, "fragments")


def local(router, turn):
    """ARP and echo requests are answered."""
    def answered():
        return any(each[28:32] == fr.ip_bytes(PORT_IPS[0]) and each[20:22] == b"\0\2"
                   for each in router.links[0].arps)
    asker = f"192.0.2.{20 + turn % 200}"
    router.links[0].clear()
    router.until(lambda _: router.links[0].send(fr.arp(1, sender=asker)), answered, TRIES, "ARP")
    request = fr.echo(size=1000)
    router.until(lambda _: router.links[0].send(request),
                 lambda: any(each[34:36] == b"\0\0" for each in router.links[0].frames), TRIES,
                 "echo reply")


SHOWN = ["show version", "show memory", "show threads", "show irq", "show log", "show counters",
         "show interfaces", "show interfaces brief", "show arp", "show ip route",
         f"show ip route {HOST_IPS[1]}", "show running-config", "help", "log level"]


def commands(router, _):
    for line in SHOWN:
        router.insist(line)
    for _ in range(TRIES):
        if ping(router):
            return
    raise RouterError(f"no ping succeeds\n{router.console.tail()}")


def ping(router):
    """The router's own echo requests; whether one of them was answered and it said so."""
    router.console.skip()
    start = len(router.console.data)
    router.console.send(f"ping {HOST_IPS[0]} count 3 interval 50\r")

    def ended():
        for frame in [each for each in router.links[0].frames if each[34:36] == b"\x08\0"]:
            router.links[0].frames.remove(frame)
            reply = fr.echo(kind=0, identifier=int.from_bytes(frame[38:40], "big"),
                            sequence=int.from_bytes(frame[40:42], "big"),
                            data=fr.ip_packet(frame)[28:])
            router.links[0].send(reply)
        return re.search(rb"(\d) received.*\n[\w-]+# $", router.console.data[start:], re.S) \
            or NO_MEMORY.search(router.console.data[start:].decode(errors="replace"))
    found = router.wait(ended, what="the end of a ping").group(0)
    router.console.settle(0.1)
    return not isinstance(found, str) and not found.startswith(b"0")


# Beyond what tables hold at first: longer than /24, many gateways, a neighbour of its own.
GATEWAYS = [f"198.51.100.{number}" for number in range(100, 180)]
NETS = [(f"100.64.{number}.0/24", GATEWAYS[number]) for number in range(80)] \
    + [(f"100.65.{number // 16}.{number % 16 * 16}/28", GATEWAYS[number % 7])
       for number in range(60)] \
    + [("100.66.0.0/16", "blackhole"), ("100.67.1.128/25", "reject")]


def configuration(router, turn):
    """Addresses, neighbours and routes come, are used, and go."""
    gateway = GATEWAYS[turn % 7]
    mac = "02:00:00:00:03:01"
    router.configure("interface eth1", "ip address 203.0.113.1/24", "exit",
                     f"arp {gateway} {mac}", *[f"ip route {net} {hop}" for net, hop in NETS])
    inside = next(net for net, hop in NETS[80:] if hop == gateway).removesuffix("/28")
    before = router.failures()
    router.links[1].clear()
    sent = [fr.udp(dst=inside) for _ in range(20)]
    lost = router.flood(sent, 0, [fr.forwarded(frame, dst_mac=mac) for frame in sent])
    router.lenient(lost, before, "configured route")
    answer_comes(router, fr.udp(dst="100.67.1.129"), UNREACHABLE, HOST)
    router.configure("interface eth1", "no ip address 203.0.113.1/24", "exit",
                     f"no arp {gateway}", *[f"no ip route {net}" for net, _ in NETS])


def links(router, _):
    """A cable that is pulled and put back."""
    for up in (False, True):
        router.qmp.run("set_link", name="nic1", up=up)
        router.wait(lambda up=up: router.counters()["eth1"]["state"] == ("up" if up else "down"))
    router.behind(0)


DRIVEN = [forwarding, new_neighbours, silent_neighbour, errors, pieces, local, commands,
          configuration, links]


class Turns:
    """Numbers the passes, so that each has neighbours of its own."""

    def __init__(self, router):
        self.router, self.count = router, 0

    def drive(self):
        for step in DRIVEN:
            step(self.router, self.count)
            assert self.router.alive()
        self.count += 1

    def rest(self, wanted=None):
        """
        What is in use of memory in the state to which all returns: only what the configuration
        wants. With `wanted`, as soon as it is no more than that: receive rings are refilled in
        batches, and some memory is free only after a grace period.
        """
        router = self.router
        router.console.command("clear arp")
        assert "198.18.0.0/15" in router.console.command("show ip route")
        for _ in range(100 if wanted else 30):
            router.exchange(port=0)
            router.exchange(port=1)
            used = usage(router)
            if wanted and not grown(wanted, used):
                break
        return used


OBJECTS_SLACK = 2       # of a cache: a timer's or a queue's that comes and goes
SLACK = {"pages": SLACK_KIB, "packets": 8, "areas": 0}


def usage(router):
    """{what: how much of it is in use}; objects for each cache of each account."""
    text = router.console.command("show memory")
    used = {"pages": -int(re.search(r"^free +(\d+) KiB", text, re.M).group(1)),
            "packets": -int(re.search(r"(\d+) available", text).group(1)),
            "areas": int(re.search(r"^areas +\d+ KiB in (\d+)", text, re.M).group(1))}
    for line in router.console.command("show memory caches").splitlines()[1:]:
        words = line.split()
        used[f"{words[0]} of {words[1]}"] = int(words[3])
    assert len(used) > 10, router.console.tail(60)
    return used


def grown(before, after):
    """What is in use more than before and could have been."""
    return {what: (before.get(what, 0), amount) for what, amount in after.items()
            if amount > before.get(what, 0) + SLACK.get(what, OBJECTS_SLACK)}


def assert_nothing_broke(router):
    found = BROKEN.search(router.console.text())
    assert not found, f"'{found.group(0)}'\n{router.console.tail(60)}"


@pytest.fixture
def patient(image):
    with Patient(config=STANDARD, image=image) as router:
        yield router.warm()


def verify(router):
    """Nothing is armed: nothing may be lost."""
    router.passes(fr.udp())
    router.passes(fr.udp(1), port=1)
    router.error(fr.udp(ttl=1), TIME_EXCEEDED, 0)
    sent = fr.udp(size=1500)
    assert router.exchange(sent)[1] == fr.fragments(sent, MTU)


# ---- tests ---------------------------------------------------------------------------------------

def test_every_site_once(patient):
    """All places that ask for memory fail, again and again, until no new one is met."""
    turns, met = Turns(patient), set()
    turns.drive()
    turns.drive()
    before = turns.rest()
    for number in range(1, ROUNDS_MAX + 1):
        start = patient.sites()
        patient.arm("once")
        for _ in range(PASSES_MAX):
            failed = patient.failures()
            turns.drive()
            if patient.failures() == failed:
                break
        patient.arm("off")
        assert_nothing_broke(patient)
        fresh = {place for place, times in patient.sites().items()
                 if times > start.get(place, 0)} - met
        met |= fresh
        verify(patient)
        print(f"round {number}: {len(fresh)} new places: {' '.join(sorted(fresh))}")
        if number > 1 and not fresh:
            break
    else:
        pytest.fail("rounds never ended: " + " ".join(sorted(fresh)))
    turns.drive()
    after = turns.rest(before)
    print(f"{len(met)} places failed")
    assert len(met) >= 12, met
    assert not grown(before, after), "in use before and after"


def test_every_seventh_under_load(patient):
    """A part of all requests fails as long as traffic lasts."""
    turns = Turns(patient)
    turns.drive()
    before = turns.rest()
    patient.arm("every 7")
    for turn in range(3):
        forwarding(patient, turn)
        for step in (new_neighbours, errors, pieces, local, links):
            step(patient, 100 + turn)
        for line in SHOWN:
            patient.console.command(line)
    patient.arm("off")
    assert_nothing_broke(patient)
    turns.drive()
    verify(patient)
    assert not grown(before, turns.rest(before)), "in use before and after"
    assert patient.failures() >= 5


EVERY = [1, 5, 10, 20, 30, 45, 60]
NTH_STEP = 1 if os.environ.get("LONG") else 16
PROMPT = re.compile(r"\n[\w-]+# ($|\[)")     # perhaps with a late line of the log behind it
NO_CONSOLE = re.compile(r"router: no console: error -12")   # said so; it forwards
ENDED = re.compile(f"system halted|{NO_CONSOLE.pattern}|{PROMPT.pattern}")
# A fault report, which is not what a failed request may end in.
FAULT = re.compile(r"unmapped address|read-only page|instruction|stack (protector|overflow)"
                   r"|execution of data|exception")
SAID = re.compile(r"error -12|no memory|too little memory|out of memory|without", re.I)
LIMIT_START_S = 60


def start_with(image, option):
    """Boots under failure; ("prompt", "no console", "panic" or "silence", what the console said)."""
    with_words = Router(config=STANDARD, image=image, append=f"failalloc={option} panic=-1",
                        extra=("-no-reboot",))
    try:
        console = with_words.start().console
        end = time.monotonic() + LIMIT_START_S
        while time.monotonic() < end and not ENDED.search(console.text()) and console.pump(0.2):
            pass
        text = console.text()
        outcome = "panic" if "panic:" in text else \
            "no console" if NO_CONSOLE.search(text) else "silence"
        return ("prompt" if PROMPT.search(text) else outcome), text
    finally:
        with_words.close()


def assert_clear(image, option):
    """It ends at the prompt, or says that memory is missing; and does not fall over."""
    outcome, text = start_with(image, option)
    assert outcome != "silence", f"{option}\n{text[-3000:]}"
    assert not FAULT.search(text), f"{option}\n{text[-3000:]}"
    assert outcome == "prompt" or SAID.search(text), f"{option}\n{text[-3000:]}"
    return outcome


def test_start_with_many_failures(image):
    outcomes = {option: assert_clear(image, option)
                for option in ["once", *[f"every:{number}" for number in EVERY]]}
    print(outcomes)


def test_start_with_one_failure(image, patient):
    """The n-th request of a start fails, for n over all of them (LONG=1) or a part."""
    asked = sum(int(line.split()[1]) for line in
                patient.console.command("show allocation-sites").splitlines()[1:-1])
    outcomes = {number: assert_clear(image, f"nth:{number}")
                for number in range(1, asked, NTH_STEP)}
    print(asked, outcomes)
    assert "prompt" in outcomes.values()


def test_option_is_for_debug_images_only():
    """Other images have neither the option nor the commands."""
    with Router(append="failalloc=once") as router:
        assert "option 'failalloc=once' is unknown" in router.console.text()
        for line in ("debug allocations fail once", "show allocation-sites"):
            assert "unknown word" in router.console.command(line)

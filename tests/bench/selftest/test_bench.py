# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of the measuring tools themselves, where a figure could lie: the plugin against a guest
# whose instruction count is known, the generator against a router that does each thing wrong.
# Run by pytest from the tree's root, where QEMU and the cross compiler are.

import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lib import counters, profile, tools, topology, vm  # noqa: E402
from lib.elf import Code, Elf                           # noqa: E402
from lib.generator import Generator, TrafficError       # noqa: E402
from lib.machines import MACHINES                       # noqa: E402

TURNS, FAULTS = 400, 50
LIMIT_S = 20


@dataclass(frozen=True)
class Loop:
    """What the comments in loop-MACHINE.S add up to."""
    load: int           # address that it is linked for, and its place in physical memory
    ram: int
    start: int          # instructions of _start
    empty: int          # of fastpath_poll when its result is 0, otherwise
    busy: int           # this and three times the result
    again: int          # executed again after a fault
    handler: tuple      # of a fault: function, instructions
    block_excess: int   # what counting by blocks adds to a fault
    flags: tuple = ()
    turn: int = 5       # of one turn of `polling` without the call

    def poll(self, result):
        return self.busy + 3 * result if result else self.empty

    def expected(self):
        polling = TURNS * self.turn + sum(map(self.poll, RESULTS)) + 1
        return self.start + polling + FAULTS * (6 + self.again + self.handler[1]) + 1


# A fault ends a block early: the block is counted whole, and where it is taken up again, that part
# once more. On loongson3 it is taken up at the branch, which ends the block: nothing is in excess.
LOOPS = {
    "arm64": Loop(load=0x40200000, ram=0x40200000, start=6, empty=5, busy=6, again=0,
                  handler=("vectors", 4), block_excess=3),
    "loongarch64": Loop(load=0x9000000000200000, ram=0x200000, start=14, empty=5, busy=6, again=1,
                        handler=("refill (untranslated)", 12), block_excess=3,
                        flags=("-Wl,--no-relax",)),
    "loongson3": Loop(load=0xffffffff80200000, ram=0x200000, start=12, empty=6, busy=6, again=2,
                      handler=("vectors", 6), block_excess=0,
                      flags=("-mno-abicalls", "-fno-pic")),
}
RESULTS = [n & 3 for n in range(TURNS, 0, -1)]


@pytest.fixture(scope="module", autouse=True)
def built():
    tools.build()


@pytest.fixture(scope="module", params=LOOPS)
def code(request, tmp_path_factory):
    """The guest of one machine, as an elf.Code with the attribute `loop`."""
    machine, loop = MACHINES[request.param], LOOPS[request.param]
    if not shutil.which(f"{machine.cross}gcc-14") or not shutil.which(machine.qemu):
        pytest.skip("no cross compiler or QEMU")
    elf = tmp_path_factory.mktemp("guest") / "loop.elf"
    subprocess.run([f"{machine.cross}gcc-14", "-nostdlib", "-static", "-no-pie", *loop.flags,
                    f"-DTURNS={TURNS}", f"-DFAULTS={FAULTS}", f"-Wl,--defsym=LOAD={loop.load:#x}",
                    f"-Wl,--defsym=RAM={loop.ram:#x}", "-Wl,--build-id=none", "-Wl,-T",
                    HERE / "loop.ld", "-o", elf, HERE / f"loop-{machine.name}.S"], check=True)
    made = Code(Elf(elf), machine)
    made.loop = loop
    return made


def run_loop(code, mark="end_reached", **options):
    guest = vm.Guest(name=f"selftest loop {code.machine.name}", kernel=code.elf.path,
                     memory="512M")
    machine = vm.Vm(code.machine, guest, plugin=tools.PLUGIN, ports=0)
    functions = code.functions()
    counters.write_params(machine.params, machine.counters, code=code, polled=True,
                          marks=[mark if isinstance(mark, int) else code.elf.symbol(mark).addr],
                          profile=functions,
                          **options)
    with machine:
        count = counters.Counters(machine.counters)
        end = time.monotonic() + LIMIT_S
        while not count.snapshot().idles and time.monotonic() < end:
            time.sleep(0.02)
        return count.snapshot(), count.mark(0), [name for _, _, name in functions]


def test_exact_count(code):
    shot, mark, _ = run_loop(code, exact=True)
    assert shot.idle_insns == code.loop.expected()
    assert mark["first_insns"] == code.loop.expected() - 1
    assert mark["hits"] == 1


def test_block_count_differs_only_by_faults(code):
    # What is reached in the middle of a block finds all of the block counted, the idle instruction
    # included.
    shot, _, _ = run_loop(code)
    assert shot.idle_insns - code.loop.expected() == code.loop.block_excess * FAULTS + 1


@pytest.mark.parametrize("exact", [True, False])
def test_turns(code, exact):
    shot, _, _ = run_loop(code, exact=exact)
    loop = code.loop
    assert shot.turns == TURNS
    # The last turn has no next entry: it stays open.
    assert shot.busy_turns + shot.empty_turns == TURNS - 1
    closed = RESULTS[:-1]
    assert shot.packets == sum(RESULTS)
    assert shot.empty_turns == closed.count(0)
    assert shot.burst_turns[:4] == tuple(closed.count(n) for n in range(4))
    for n in range(4):
        assert shot.burst_insns[n] == closed.count(n) * (loop.poll(n) + loop.turn)
    assert shot.busy_insns + shot.empty_insns == \
        sum(map(loop.poll, closed)) + loop.turn * len(closed)
    assert shot.blind_turns == 0


def test_turns_without_a_result_are_told(code):
    code.elf.by_name["fastpath_turn"].addr += 2
    try:
        shot, _, _ = run_loop(code)
    finally:
        code.elf.by_name["fastpath_turn"].addr -= 2
    assert shot.blind_turns == shot.empty_turns == TURNS - 1
    assert shot.packets == 0


@pytest.mark.parametrize("exact", [True, False])
def test_profile(code, exact):
    shot, _, names = run_loop(code, exact=exact)
    loop = code.loop
    every = dict(zip(names, shot.profile["all"]))
    busy = dict(zip(names, shot.profile["busy"]))
    empty = dict(zip(names, shot.profile["empty"]))
    assert every["fastpath_poll"] == sum(map(loop.poll, RESULTS))
    assert every["_start"] == loop.start
    assert every[loop.handler[0]] == loop.handler[1] * FAULTS
    assert empty["fastpath_poll"] == RESULTS.count(0) * loop.poll(0)
    assert busy["fastpath_poll"] == sum(loop.poll(n) for n in RESULTS[:-1] if n)
    rows = profile.top([(0, 0, name) for name in names], shot.profile["all"], 100, limit=2)
    assert [row[0] for row in rows][-2:] == ["(all others)", "sum"]


def test_return_of_the_only_call(code):
    shot, mark, _ = run_loop(code, code.return_from("fastpath_poll"), exact=True)
    assert mark["hits"] == shot.turns
    call = 2    # with its argument, on each machine
    assert mark["first_insns"] == code.loop.start + call + code.loop.poll(RESULTS[0])
    with pytest.raises(KeyError, match="0 places"):
        code.return_from("_start")


def test_hold_adds_no_instruction(code):
    shot, _, _ = run_loop(code, exact=True, hold_us=200)
    assert shot.idle_insns == code.loop.expected()


class Router(threading.Thread):
    """The other end of the generator's sockets: forwards by the rules, or breaks one of them."""

    def __init__(self, where, spoil):
        super().__init__(daemon=True)
        self.spoil = spoil
        self.count = 0
        self.where = where
        self.inner, self.outer = (self._bind(port) for port in (0, 1))
        self.inner.settimeout(0.1)
        self.running = True

    def _bind(self, port):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(self.where / f"p{port}.qemu"))
        return sock

    def run(self):
        while self.running:
            try:
                frame = bytearray(self.inner.recv(2048))
            except TimeoutError:
                continue
            self.count += 1
            forward(frame)
            frames = self.spoil(self.count, frame)
            for out in frames:
                self.outer.sendto(bytes(out), str(self.where / "p1.gen"))

    def stop(self):
        self.running = False
        self.join()
        self.inner.close()
        self.outer.close()


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def forward(frame, ttl_step=1):
    frame[0:6] = mac(topology.PEER_MACS[1])
    frame[6:12] = mac(topology.DUT_MACS[1])
    frame[22] -= ttl_step
    frame[24:26] = b"\0\0"
    frame[24:26] = struct.pack(">H", checksum(bytes(frame[14:34])))


def right(_, frame):
    return [frame]


def at_100(change):
    def spoil(count, frame):
        return change(frame) if count == 100 else [frame]
    return spoil


def poke(offset, value, fix=False):
    def change(frame):
        frame[offset] ^= value
        if fix:
            forward(frame, 0)
        return [frame]
    return change


SPOILS = {
    "lost": (at_100(lambda frame: []), "1 lost"),
    "twice": (at_100(lambda frame: [frame, frame]), "1 twice"),
    "ttl": (at_100(poke(22, 1, fix=True)), "1 ttl"),
    "checksum": (at_100(poke(25, 1)), "1 checksum"),
    "destination mac": (at_100(poke(5, 1)), "1 mac"),
    "source mac": (at_100(poke(11, 1)), "1 mac"),
    "type of service": (at_100(poke(15, 4, fix=True)), "1 header"),
    "address": (at_100(poke(33, 1, fix=True)), "1 header"),
    "payload": (at_100(poke(59, 0x80)), "1 payload"),
    "longer": (at_100(lambda frame: [frame + b"\0\0"]), "1 length"),
}


def drive(where, spoil, command):
    router = Router(where, spoil)
    router.start()
    try:
        with Generator(tools.GENERATOR, where) as gen:
            return command(gen)
    finally:
        router.stop()


@pytest.fixture
def sockets(tmp_path_factory):
    return Path(os.path.relpath(tmp_path_factory.mktemp("s")))  # short: a socket's path has a limit


def test_generator_accepts_a_right_router(sockets):
    for length, window in ((60, 8), (1514, 4)):
        sub = sockets / str(length)
        sub.mkdir()
        report = drive(sub, right, lambda gen: gen.run(500, window, length))
        assert report["good"] == 500


@pytest.mark.parametrize("name", SPOILS)
def test_generator_refuses(sockets, name):
    spoil, words = SPOILS[name]
    with pytest.raises(TrafficError, match=words):
        drive(sockets, spoil, lambda gen: gen.run(200, 8))


def test_generator_answers_arp(sockets):
    def ask(gen):
        request = b"\xff" * 6 + mac(topology.DUT_MACS[1]) + bytes.fromhex("08060001080006040001") \
            + mac(topology.DUT_MACS[1]) + socket.inet_aton(topology.DUT_IPS[1]) + b"\0" * 6 \
            + socket.inet_aton(topology.PEER_IPS[1])
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            path = sockets / "p1.qemu"
            sock.bind(str(path))
            while not (sockets / "p1.gen").exists():
                pass
            sock.sendto(request, str(sockets / "p1.gen"))
            return sock.recv(2048)

    with Generator(tools.GENERATOR, sockets) as gen:
        answer = ask(gen)
    assert answer[:6] == mac(topology.DUT_MACS[1])
    assert answer[6:12] == answer[22:28] == mac(topology.PEER_MACS[1])
    assert answer[20:22] == b"\0\2"
    assert answer[28:32] == socket.inet_aton(topology.PEER_IPS[1])
    assert answer[32:42] == mac(topology.DUT_MACS[1]) + socket.inet_aton(topology.DUT_IPS[1])

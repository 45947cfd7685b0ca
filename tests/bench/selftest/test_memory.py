# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of bench_memory.py on made-up counters and descriptors: what it takes off, what it refuses,
# and that a budget that is exceeded makes it fail.

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_memory                                     # noqa: E402
from lib import counters, descriptors, machines, tools  # noqa: E402

BLOCKS, ROUNDS = 4, 100
NAMES = ["empty", "page", "malloc_256"]
GOOD = {"memory": {"page": 60, "malloc_256": 100}, "mm_start": 1000, "mm_start_growth": 50,
        "descriptor_percent": 1.6}


def snapshot(costs):
    """Each block of an operation once, at {operation: [instructions of each block's round]}."""
    turns, insns = [0] * counters.BURSTS, [0] * counters.BURSTS
    for number, name in enumerate(NAMES):
        for block, cost in enumerate(costs[name]):
            slot = number * BLOCKS + block + 1
            turns[slot], insns[slot] = 1, cost * ROUNDS
    return counters.Snapshot(dict.fromkeys(counters.CPU_FIELDS, 0), turns, insns, {})


def test_loop_and_first_block_are_taken_off():
    shot = snapshot({"empty": [90, 3, 3, 4], "page": [900, 63, 63, 73],
                     "malloc_256": [500, 103, 103, 103]})
    result = bench_memory.per_round(shot, BLOCKS, ROUNDS, NAMES)
    assert result == {"page": [60, 60, 70], "malloc_256": [100, 100, 100]}


@pytest.mark.parametrize("turns", [0, 2])
def test_block_that_was_not_seen_once_is_refused(turns):
    shot = snapshot({name: [3, 3, 3, 3] for name in NAMES})
    shot.burst_turns[BLOCKS + 2] = turns
    with pytest.raises(bench_memory.MemoryBenchError, match="page"):
        bench_memory.per_round(shot, BLOCKS, ROUNDS, NAMES)


def test_a_run_without_its_empty_loop_is_refused():
    shot = snapshot({name: [3, 3, 3, 3] for name in NAMES})
    with pytest.raises(bench_memory.MemoryBenchError, match="empty"):
        bench_memory.per_round(shot, BLOCKS, ROUNDS, ["other", *NAMES[1:]])


def test_table_of_the_image(tmp_path):
    class FakeElf:
        memory = (8).to_bytes(4, "little") + (1200).to_bytes(4, "little") + \
            b"".join(each.to_bytes(8, "little") for each in (0x1000, 0x2000, 0))

        def symbol(self, name):
            assert name == bench_memory.TABLE
            return type("Symbol", (), {"addr": 0x9000, "size": len(self.memory)})

        def read(self, addr, size):
            return self.memory[addr - 0x9000:addr - 0x9000 + size]

        def functions(self):
            return [(0x1000, 0x1010, "bench_empty"), (0x2000, 0x2010, "bench_page")]

    assert bench_memory.read_table(FakeElf()) == (8, 1200, ["empty", "page"])


def test_failed_operation_is_refused():
    bench_memory.check_console("[ 0.1] net: 3 ports\nmembench: end\n")
    with pytest.raises(bench_memory.MemoryBenchError, match="page_order_9 failed"):
        bench_memory.check_console("[ 0.1] x\nmembench: page_order_9 failed\nmembench: end\n")


def figures(page=60.0, malloc=100.0, starts=(1000, 1000), used_frames=1024):
    return ({"page": [page] * 3, "malloc_256": [malloc] * 3, "unlimited": [1e9] * 3},
            {"128M": starts[0], "8G": starts[1]},
            {"128M": descriptors.Descriptors(4096, 1024, 1024 - used_frames)})


@pytest.fixture
def run(monkeypatch):
    """The program with made-up figures in place of its measurements; its status."""
    def go(operations, starts, found, limits=None):
        monkeypatch.setattr(sys, "argv", ["bench_memory.py"])
        monkeypatch.setattr(bench_memory.vm, "private_network", lambda say: None)
        monkeypatch.setattr(tools, "start", lambda: None)
        monkeypatch.setattr(tools, "save", lambda name, result: name)
        monkeypatch.setattr(tools, "budgets", lambda machine: limits or GOOD)
        for name, result in (("operations", operations), ("starts", starts),
                             ("descriptors", found)):
            monkeypatch.setattr(bench_memory, f"run_{name}", lambda *_, result=result: result)
        return bench_memory.main()
    return go


def test_budgets_kept(run):
    assert run(*figures()) == 0


@pytest.mark.parametrize("change", [
    {"page": 60.2}, {"malloc": 140.0}, {"starts": (1001, 1001)}, {"starts": (900, 951)},
    {"used_frames": 480}])
def test_exceeded_budget_fails(run, change, capsys):
    assert run(*figures(**change)) == 1
    assert capsys.readouterr().out.count("MISSED") >= 1


def test_budget_of_an_operation_that_is_gone_fails(run):
    operations, *rest = figures()
    del operations["page"]
    assert run(operations, *rest) == 1


def test_each_machine_has_budgets():
    for name, machine in machines.MACHINES.items():
        limits = tools.budgets(name)
        assert {"kmalloc_128", "page", "page_order_9", "malloc_256"} <= limits["memory"].keys()
        assert {"mm_start", "mm_start_growth"} <= limits.keys()
        assert machine.walks_tables == ("descriptor_percent" in limits)


class FakeGdb:
    """Descriptors of one chunk, the second of three."""

    def __init__(self, base, table):
        self.start, self.table = base + len(table), table

    def read(self, address, length):
        if address != self.start:
            raise descriptors.GdbError("not mapped")
        return self.table[:length]


def test_descriptors_are_read_and_counted():
    machine = machines.MACHINES["arm64"]
    chunk = 1 << descriptors.CHUNK_ORDER
    table = bytearray(chunk * descriptors.PAGE_BYTES)

    def put(frame, kind, order):
        at = frame * descriptors.PAGE_BYTES + descriptors.KIND_AT
        table[at:at + 2] = bytes((kind, order))

    put(0, descriptors.FREE, 9)
    put(512, descriptors.CACHED, 0)
    put(513, 3, 0)
    put(520, 5, 3)
    gdb = FakeGdb(machine.layout("VMEMMAP_BASE"), table)
    found = descriptors.read(machine, gdb, 3 * chunk << 12)
    assert (found.frames, found.free) == (1024, 513)
    assert found.percent == pytest.approx(100 * 32768 / (511 * 4096))
    with pytest.raises(descriptors.DescriptorError, match="none"):
        descriptors.read(machine, gdb, chunk << 12)


@pytest.mark.parametrize("frame, kind, order", [
    (3, descriptors.FREE, 2),   # not aligned
    (8, descriptors.FREE, 4),
    (11, 3, 0),                 # inside of a free block
    (12, descriptors.FREE, 0)])
def test_what_cannot_be_descriptors_is_refused(frame, kind, order):
    table = bytearray(64 * descriptors.PAGE_BYTES)
    for at, pair in ((8, (descriptors.FREE, 3)), (frame, (kind, order))):
        at = at * descriptors.PAGE_BYTES + descriptors.KIND_AT
        table[at:at + 2] = bytes(pair)
    with pytest.raises(descriptors.DescriptorError):
        descriptors.free_frames(table)

# SPDX-License-Identifier: BSD-2-Clause
#
# Tests of the arithmetic between counters and figures, on made-up counters.

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import bench_forward                                 # noqa: E402
from lib import counters, linux_guest, machines, mapfile, tools  # noqa: E402
from lib.generator import TrafficError               # noqa: E402


def snapshot(**fields):
    every = dict.fromkeys(counters.CPU_FIELDS, 0)
    every.update(fields)
    return counters.Snapshot(every, [0] * counters.BURSTS, [0] * counters.BURSTS, {})


def test_busy_takes_off_idle_turns_only():
    # 10 busy turns of 32 at 200 a packet, 1,000 idle turns at 50; the same with 5,000
    # instructions of work put off to the empty turns.
    idle = snapshot(insns=64000 + 50000, empty_turns=1000)
    assert bench_forward.busy_figure(idle, 320, 50) == pytest.approx(200)
    shifted = snapshot(insns=64000 + 55000, empty_turns=1000)
    assert bench_forward.busy_figure(shifted, 320, 50) == pytest.approx(200 + 5000 / 320)


@pytest.mark.parametrize("turns, expected", [(5, 0.0), (2000, 40.0)])
def test_sleeping_cpu_gets_no_discount(monkeypatch, turns, expected):
    shots = iter([snapshot(), snapshot(empty_turns=turns, empty_insns=40 * turns)])

    class Count:
        def snapshot(self):
            return next(shots)

    monkeypatch.setattr(bench_forward, "QUIET_S", 0)
    assert bench_forward.quiet_turn(Count()) == (expected, turns)


@pytest.mark.parametrize("packets, insns, inside", [
    (990, 1000000, 1000000),     # some packets came another way
    (1100, 1000000, 1000000),    # the result counts what is no packet
    (1000, 1000000, 500000)])    # half of the work is in no turn
def test_what_does_not_add_up_is_refused(packets, insns, inside):
    delta = snapshot(packets=packets, insns=insns, busy_insns=inside)
    with pytest.raises(TrafficError):
        bench_forward.check_delta(delta, 1000)


def test_turns_without_a_result_are_refused():
    bench_forward.check_delta(snapshot(packets=1000), 1000)
    with pytest.raises(TrafficError):
        bench_forward.check_delta(snapshot(packets=1000, blind_turns=1), 1000)


def test_budget_missed_and_kept():
    rows, kept = tools.check_budgets([("a", 10, 10, "x"), ("b", 11, 10, "x")])
    assert not kept and [row[-1] for row in rows] == ["ok", "MISSED"]
    assert tools.check_budgets([("a", 10, 10, "x")])[1]
    assert not tools.check_budgets([("no value", None, 10, "x")])[1]


def test_turn_fit():
    delta = snapshot()
    for size, turns in ((1, 7), (8, 3), (32, 2)):
        delta.burst_turns[size] = turns
        delta.burst_insns[size] = turns * (500 + 150 * size)
    assert bench_forward.turn_fit(delta) == pytest.approx((500, 150))


def test_burst_cost():
    assert bench_forward.burst_cost({"turn_fit": (800, 150)}, 8) == pytest.approx(250)
    assert bench_forward.burst_cost({"turn_fit": None}, 8) is None


def test_limit_follows_arm64_of_the_same_run():
    limits = {"busy_per_packet": 200, "busy_over_arm64": 1.25}
    same_run = {"arm64": {"busy": [{"per_packet": 150}, {"per_packet": 160}]}}
    assert bench_forward.busy_limit(limits, same_run) == pytest.approx(200)
    assert bench_forward.busy_limit(limits, {}) == 200
    assert bench_forward.busy_limit({"busy_per_packet": 260}, same_run) == 260


def test_each_machine_has_budgets():
    for name, machine in machines.MACHINES.items():
        limits = tools.budgets(name)
        assert {"busy_per_packet", "boot_first_ping", "image_bytes"} <= limits.keys()
        assert machine.least_ram == ("min_ram_mib" in limits)


def test_spread_is_median():
    assert tools.spread([5, 1, 9]) == (5, "1 to 9")
    assert tools.spread([4, 1, 2, 9])[0] == 3


def test_map_file(tmp_path):
    path = tmp_path / "x.map"
    path.write_text("""Discarded input sections
 .text          0xffffffff80000000       0x40 lib/libc.a(lib_a-gone.o)
Linker script and memory map
 .text          0xffffffff80001000       0x40 out/net/port.o
 .text.memcpy   0xffffffff80001040       0x20 lib/libc.a(lib_a-memcpy.o)
 .text.a_very_long_name_of_a_function
                0xffffffff80001060       0x10 lib/libc.a(lib_a-other.o)
 *fill*         0xffffffff80001070       0x10
 .debug_info    0x0000000000000000     0x9999 out/net/port.o
""")
    loaded = [(0xffffffff80000000, 0xffffffff80002000)]
    assert mapfile.by_archive(path, loaded) == {"objects": 0x40, "libc.a": 0x30}
    assert mapfile.by_archive(tmp_path / "none", loaded) == {}


def test_initramfs_entries_are_aligned():
    entry = linux_guest._cpio_entry(1, "init", 0o100755, b"12345")
    assert entry[:6] == b"070701" and len(entry) % 4 == 0
    assert entry.endswith(b"12345\0\0\0")

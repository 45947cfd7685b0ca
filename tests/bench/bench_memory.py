#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# What memory costs: guest instructions of allocations and frees when all is warm (the image of
# tests/membench), of the start of mm/ in the router's image, with little RAM and with much, and the
# share that page descriptors have of the RAM in use. Method: docs/measuring.md.
#
#   --profile [OPERATION...]    the functions where the instructions of operations go, each by
#                               itself; without names, of those that have a budget
#
# Writes out/bench/memory[-MACHINE].json, ends with status 1 when a budget of budgets.json is
# missed, 2 when there is no result. Relies on: out/MACHINE/membench.img and router.img.

import argparse
import re
import statistics
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import counters, descriptors, profile, tools, topology, vm     # noqa: E402
from lib.elf import Code, Elf                                           # noqa: E402
from lib.machines import MACHINES                                       # noqa: E402
from lib.pinger import Pinger                                           # noqa: E402
from rig.gdb import Gdb, GdbError                                       # noqa: E402

APP = "membench"
TURNS = ("bench_turn", "bench_value")
TABLE = "bench_ops"
EMPTY = "empty"         # the operation that is the loop alone
END = "membench: end"
FAILED = r"^membench: (.* failed)"
RUN_LIMIT_S = 120
# The start of mm/: from the entry of the first function to the return of the last.
START_FIRST, START_LAST = "memory_map_build", "vmalloc_init"
START_LIMIT_S = 20
PING_LIMIT_S = 20
GIB = 1 << 30


class MemoryBenchError(Exception):
    """What was counted cannot be right; one line."""


def parse():
    parser = argparse.ArgumentParser(description="cost of memory")
    parser.add_argument("--platform", nargs="+", default=["arm64"], choices=MACHINES)
    parser.add_argument("--cpu", help="another CPU model of that machine")
    parser.add_argument("--app", default="router", help="the image whose start is measured")
    parser.add_argument("--append", default="", help="kernel options")
    parser.add_argument("--profile", nargs="*", metavar="OPERATION")
    return parser.parse_args()


# ---- Operations ----------------------------------------------------------------------------------

def read_table(elf):
    """(blocks, rounds, [operation's name]) as the image's table and its symbols have them."""
    symbol = elf.symbol(TABLE)
    blocks, rounds = struct.unpack("<II", elf.read(symbol.addr, 8))
    names = {start: name for start, _, name in elf.functions()}
    pointers = struct.unpack(f"<{symbol.size // 8 - 1}Q", elf.read(symbol.addr + 8,
                                                                    symbol.size - 8))
    return blocks, rounds, [names[each].removeprefix("bench_") for each in pointers if each]


def per_round(shot, blocks, rounds, names):
    """
    {operation: [instructions a round of each block]}, without the loop's own and without the
    first block, which warmed up.
    """
    result, empty = {}, None
    for number, name in enumerate(names):
        turns = [number * blocks + block + 1 for block in range(1, blocks)]
        if any(shot.burst_turns[turn] != 1 for turn in turns):
            raise MemoryBenchError(f"not every block of {name} was seen once")
        counts = [shot.burst_insns[turn] / rounds for turn in turns]
        if name == EMPTY:
            empty = statistics.median(counts)
        result[name] = counts
    if empty is None:
        raise MemoryBenchError(f"there is no operation {EMPTY}")
    return {name: [each - empty for each in counts] for name, counts in result.items()
            if name != EMPTY}


def load(machine):
    """(image, elf.Code, table) of the image."""
    img, elf_path = tools.image(machine.name, APP)
    code = Code(Elf(elf_path), machine)
    table = read_table(code.elf)
    if table[0] * len(table[2]) >= counters.BURSTS:
        raise MemoryBenchError("more blocks than the plugin has counters for")
    return img, code, table


def check_console(text):
    """An operation that fails is cheap: then there is no figure."""
    failed = re.search(FAILED, text, re.M)
    if failed:
        raise MemoryBenchError(f"the image says: {failed[1]}")


def run_image(args, img, code, arguments="", functions=()):
    """The counters after one run of the image."""
    guest = vm.Guest(name=f"{APP} {code.machine.name}", kernel=img, memory=code.machine.memory,
                     append=f"{args.append} -- {arguments}" if arguments else args.append)
    running = vm.Vm(code.machine, guest, plugin=tools.PLUGIN, ports=0)
    counters.write_params(running.params, running.counters, exact=True, code=code, polled=True,
                          turns=TURNS, profile=functions)
    with running:
        count = counters.Counters(running.counters)
        running.wait_output(END, RUN_LIMIT_S)
        check_console(running.output())
        return count.snapshot()


def run_operations(args, machine, say):
    """{operation: [instructions of each block's round]}"""
    img, code, table = load(machine)
    say(f"{machine.name}: operations")
    return per_round(run_image(args, img, code), *table)


def print_profiles(args, machine, say):
    """Warming up included; the loop's own instructions stand as bench_OPERATION."""
    img, code, (blocks, rounds, names) = load(machine)
    functions = code.functions()
    for name in args.profile or tools.budgets(machine.name)["memory"]:
        if name not in names:
            sys.exit(f"bench-memory: no operation '{name}': there are {' '.join(names)}")
        say(f"{machine.name}: profile of {name}")
        shot = run_image(args, img, code, str(names.index(name)), functions)
        say.done()
        print(f"\n{machine.name}, {name}: instructions a round")
        tools.table(profile.top(functions, shot.profile["busy"], blocks * rounds, 12),
                    ["function", "insns", "%"])


# ---- Start ---------------------------------------------------------------------------------------

def start_once(args, img, code, memory):
    """Instructions of the start of mm/ with that much RAM."""
    marks = [code.elf.symbol(START_FIRST).addr, code.return_from(START_LAST)]
    guest = vm.Guest(name=f"ours {code.machine.name} {memory}", kernel=img,
                     config=topology.CONFIG, memory=memory, append=args.append)
    running = vm.Vm(code.machine, guest, plugin=tools.PLUGIN)
    counters.write_params(running.params, running.counters, exact=True, code=code, marks=marks)
    end = time.monotonic() + START_LIMIT_S
    with running:
        count = counters.Counters(running.counters)
        while not count.mark(1):
            running.check()
            if time.monotonic() > end:
                raise vm.VmError(f"{guest.name}: {START_LAST} did not return in {START_LIMIT_S} s")
            time.sleep(0.02)
        first, last = count.mark(0), count.mark(1)
    if not first or first["hits"] != 1 or last["hits"] != 1:
        raise MemoryBenchError(f"{START_FIRST} or {START_LAST} ran more than once, or not at all")
    return last["first_insns"] - first["first_insns"]


def run_starts(args, machine, say):
    """{memory: instructions}"""
    img, elf_path = tools.image(machine.name, args.app)
    code = Code(Elf(elf_path), machine)
    starts = {}
    for memory in machine.boot_memories:
        say(f"{machine.name}: start with {memory}")
        starts[memory] = start_once(args, img, code, memory)
    return starts


# ---- Descriptors ---------------------------------------------------------------------------------

def descriptors_once(args, img, machine, memory):
    """The descriptors of a router that answers."""
    guest = vm.Guest(name=f"ours {machine.name} {memory}", kernel=img, config=topology.CONFIG,
                     memory=memory, append=args.append)
    running = vm.Vm(machine, guest)
    port = running.dir / "gdb"
    guest.extra += ["-gdb", f"unix:{port},server=on,wait=off"]
    running.command += guest.extra
    pinger = Pinger(running.dir)
    try:
        with running:
            if pinger.until_answered(running.check, PING_LIMIT_S) is None:
                raise vm.VmError(f"{guest.name}: no answered ping in {PING_LIMIT_S} s")
            gdb = Gdb(port)
            try:
                return descriptors.read(machine, gdb, RAM_END)
            finally:
                gdb.close()
    finally:
        pinger.close()


# The highest RAM of QEMU's machines with 8 GiB ends below this.
RAM_END = 16 * GIB


def run_descriptors(args, machine, say):
    """{memory: Descriptors}; of a machine whose page tables QEMU does not walk, none."""
    if not machine.walks_tables:
        return {}
    img, _ = tools.image(machine.name, args.app)
    found = {}
    for memory in machine.boot_memories:
        say(f"{machine.name}: page descriptors with {memory}")
        found[memory] = descriptors_once(args, img, machine, memory)
    return found


# ---- Results -------------------------------------------------------------------------------------

def operation_rows(operations, limits):
    """Rows of the table, those with a limit first; and whether all limits were kept."""
    rows, kept = [], not set(limits) - set(operations)
    for name in sorted(operations, key=lambda name: name not in limits):
        value, span = tools.spread(operations[name], 1)
        good = name not in limits or value <= limits[name]
        kept = kept and good
        rows.append([name, tools.number(value, 1), span, tools.number(limits.get(name)),
                     ("ok" if good else "MISSED") if name in limits else ""])
    rows += [[name, "-", "", tools.number(limits[name]), "MISSED"]
             for name in limits if name not in operations]
    return rows, kept


def checks(starts, found, limits):
    less, more = starts
    rows = [(f"start of mm/, {memory}", count, limits["mm_start"], "insn")
            for memory, count in starts.items()]
    rows.append((f"{more} over {less}", starts[more] - starts[less], limits["mm_start_growth"],
                 "insn"))
    percent = limits.get("descriptor_percent")
    return rows, [(f"descriptors of RAM in use, {memory}", each.percent, percent, "%")
                  for memory, each in found.items() if percent]


def report(args, machine, operations, starts, found):
    """Prints and saves one machine's result. True if it kept its budgets."""
    limits = tools.budgets(machine.name)
    print(f"\n{machine.name} ({machine.cpu}): guest instructions, warm; a pair of allocation and "
          "free")
    rows, kept = operation_rows(operations, limits["memory"])
    tools.table(rows, ["operation", "insns", "spread", "limit", ""])
    whole, fine = checks(starts, found, limits)
    rows, kept_whole = tools.check_budgets(whole)
    fine_rows, kept_fine = tools.check_budgets(fine, 2)
    print()
    tools.table(rows + fine_rows, ["budget", "value", "limit", "unit", ""])
    for memory, each in found.items():
        print(f"-m {memory}: {each.bytes >> 10:,} KiB of descriptors; of the RAM that they "
              f"describe {each.used_bytes >> 10:,} KiB are in use")
    kept = kept and kept_whole and kept_fine
    where = tools.save(tools.result_name("memory", machine.name), {
        "operations": {name: statistics.median(counts) for name, counts in operations.items()},
        "starts": starts, "budgets": limits, "budgets_kept": kept,
        "descriptors": {memory: {"bytes": each.bytes, "used_bytes": each.used_bytes}
                        for memory, each in found.items()}})
    print(f"written: {where}", flush=True)
    return kept


def main():
    args = parse()
    say = tools.Progress()
    vm.private_network(say)
    tools.start()
    status = 0
    for machine in tools.machines(args):
        try:
            result = (run_operations(args, machine, say), run_starts(args, machine, say),
                      run_descriptors(args, machine, say))
        except (vm.VmError, MemoryBenchError, counters.PluginError, GdbError,
                descriptors.DescriptorError, KeyError) as error:
            say.done()
            print(f"bench-memory: {machine.name}: {error}", file=sys.stderr)
            status = 2
            continue
        say.done()
        if not report(args, machine, *result):
            status = status or 1
        if args.profile is not None:
            print_profiles(args, machine, say)
    return status


if __name__ == "__main__":
    tools.run(main)

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# What a start costs: guest instructions and time from reset to main() and to the first answered
# ping, with little RAM and with much; what the image is made of; the least RAM that forwards.
# Method and what the figures mean: docs/measuring.md.
#
#   --quick     fewer starts, no search for the least RAM (the budget's size is tried)
#   --profile   functions, top 30, of the start until the first answered ping
#
# Writes out/bench/boot[-MACHINE].json, ends with status 1 when a budget of budgets.json is missed,
# 2 when there is no result. Times are printed, never held against a budget.

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import counters, mapfile, profile, ready, tools, topology, vm  # noqa: E402
from lib.elf import Code, Elf                                           # noqa: E402
from lib.generator import Generator, TrafficError                       # noqa: E402
from lib.machines import MACHINES                                       # noqa: E402
from lib.pinger import Pinger                                           # noqa: E402

MARKS = ["kernel_start", "main"]
PING_LIMIT_S = 20
FORWARD_LIMIT_S = 4
FORWARD_PACKETS = 2000
RAM_LOW, RAM_HIGH = 2, 128  # MiB: QEMU refuses less; more than enough


def parse():
    parser = argparse.ArgumentParser(description="cost of a start")
    parser.add_argument("--platform", nargs="+", default=["arm64"], choices=MACHINES)
    parser.add_argument("--cpu", help="another CPU model of that machine")
    parser.add_argument("--app", default="router")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--repeats", type=int, help="starts of each kind (median)")
    parser.add_argument("--append", default="", help="kernel options")
    args = parser.parse_args()
    args.repeats = args.repeats or (3 if args.quick else 5)
    return args


def ms(later, earlier):
    return (later - earlier) / 1e6


def start_once(args, img, code, memory):
    """One start until the first answered ping: counts, times (ms), profile."""
    guest = vm.Guest(name=f"ours {code.machine.name} {memory}", kernel=img,
                     config=topology.CONFIG, memory=memory, append=args.append)
    machine = vm.Vm(code.machine, guest, plugin=tools.PLUGIN)
    functions = code.functions()
    counters.write_params(machine.params, machine.counters, exact=True, code=code,
                          marks=[code.elf.symbol(name).addr for name in MARKS],
                          profile=functions if args.profile else ())
    pinger = Pinger(machine.dir)
    try:
        with machine:
            answered = pinger.until_answered(machine.check, PING_LIMIT_S)
            if answered is None:
                raise vm.VmError(f"{guest.name}: no answered ping in {PING_LIMIT_S} s; its "
                                 f"console's last line: {vm.last_line(machine.output())}")
            count = counters.Counters(machine.counters)
            asleep = count.settle()
            shot = count.snapshot()
            marks = {name: count.mark(i) for i, name in enumerate(MARKS)}
            return summary(marks, shot, asleep, answered, machine, count, pinger, functions)
    finally:
        pinger.close()


def summary(marks, shot, asleep, answered, machine, count, pinger, functions):
    """
    The count is that of the moment when the CPU went to sleep after the answer: an upper bound,
    by the few hundred instructions from the transmit to the idle instruction.
    """
    missing = [name for name in MARKS if not marks[name]]
    if missing:
        raise vm.VmError(f"{', '.join(missing)} never reached at the address in the ELF file")
    insns = shot.idle_insns if asleep and shot.idles else shot.insns
    reset = count.start_ns()
    return {"insns": {**{name: marks[name]["first_insns"] for name in MARKS},
                      "first_ping": insns},
            "ms": {"qemu_start": ms(reset, machine.start_ns),
                   **{name: ms(marks[name]["first_ns"], reset) for name in MARKS},
                   "first_ping": ms(answered, reset)},
            "asleep": asleep, "requests": pinger.sent,
            "functions": functions, "profile": shot.profile["all"]}


def starts(args, img, code, say):
    """{memory: {insns, ms: medians; spread}} of the repeated starts."""
    results = {}
    for memory in code.machine.boot_memories:
        runs = []
        for turn in range(args.repeats):
            say(f"{code.machine.name}: start with {memory}, run {turn + 1} of {args.repeats}")
            runs.append(start_once(args, img, code, memory))
        merged = {"asleep": all(run["asleep"] for run in runs), "spread": {},
                  "requests": [run["requests"] for run in runs]}
        for kind in ("insns", "ms"):
            merged[kind] = {key: tools.spread([run[kind][key] for run in runs])[0]
                            for key in runs[0][kind]}
        for key in runs[0]["insns"]:
            merged["spread"][key] = [min(run["insns"][key] for run in runs),
                                     max(run["insns"][key] for run in runs)]
        merged["last"] = runs[-1]
        results[memory] = merged
    return results


def forwards(args, img, machine, mib):
    """Does it boot and forward with that much RAM?"""
    guest = vm.Guest(name=f"ours {machine.name} {mib}M", kernel=img, config=topology.CONFIG,
                     memory=f"{mib}M", append=args.append)
    running = vm.Vm(machine, guest)
    try:
        with running, Generator(tools.GENERATOR, running.dir) as gen:
            ready.wait_forwarding(running, gen, FORWARD_LIMIT_S)
            gen.run(FORWARD_PACKETS, 32)
            return True
    except (vm.VmError, TrafficError):
        return False


def least_ram(args, img, machine, limit, say):
    """Least MiB that forwards; with --quick `limit` if that does, else None."""
    if args.quick:
        say(f"{machine.name}: forwarding with {limit} MiB")
        return limit if forwards(args, img, machine, limit) else None
    low, high = RAM_LOW, RAM_HIGH  # low fails (or is not tried), high works
    if not forwards(args, img, machine, high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        say(f"{machine.name}: least RAM: between {low} and {high} MiB, trying {middle}")
        if forwards(args, img, machine, middle):
            high = middle
        else:
            low = middle
    return high


def image_parts(img, elf_path, elf):
    kinds, sections = elf.sizes()
    return {"image_bytes": img.stat().st_size, "kinds": kinds, "sections": sections,
            "archives": mapfile.by_archive(elf_path.with_suffix(".map"), elf.loaded())}


def print_result(machine, results, parts, ram):
    rows = []
    for memory, result in results.items():
        for key in result["insns"]:
            low, high = result["spread"][key]
            rows.append([f"-m {memory}: reset to {key.replace('_', ' ')}",
                         tools.number(result["insns"][key]),
                         f"{low:,} to {high:,}", f"{result['ms'][key]:.1f}"])
    print(f"\n{machine.name} ({machine.cpu}): guest instructions and time of a start (time with "
          "the plugin, from QEMU's reset)")
    tools.table(rows, ["", "insns", "spread", "ms"])
    print(f"\nImage: {parts['image_bytes']:,} bytes; in memory:")
    rows = [[kind, tools.number(size)] for kind, size in parts["kinds"].items()]
    rows += [[f"  {name}", tools.number(size)] for name, size in parts["sections"].items()]
    tools.table(rows, ["part", "bytes"])
    if parts["archives"]:
        print()
        order = sorted(parts["archives"].items(), key=lambda item: -item[1])
        tools.table([[name, tools.number(size)] for name, size in order], ["from", "bytes"])
    if machine.least_ram:
        print(f"\nLeast RAM that forwards: {tools.number(ram)} MiB")


def print_profile(machine, results):
    """Side by side, so that what grows with RAM stands out; the largest of either first."""
    runs = [results[memory]["last"] for memory in machine.boot_memories]
    small, large = (run["profile"] for run in runs)
    names = [name for _, _, name in runs[0]["functions"]]
    order = sorted(range(len(names)), key=lambda i: -max(small[i], large[i]))
    rows = [[names[i], tools.number(small[i]), tools.number(large[i]),
             f"{large[i] - small[i]:+,}"] for i in order[:profile.TOP_FUNCTIONS]]
    print("\nTop functions from reset to the first answered ping: instructions")
    tools.table(rows, ["function", *machine.boot_memories, "difference"])


def check(machine, results, parts, ram, limits):
    """Growth with RAM is that of the lowest counts: those with the fewest stray requests."""
    less, more = machine.boot_memories
    growth = {key: results[more]["spread"][key][0] - results[less]["spread"][key][0]
              for key in ("main", "first_ping")}
    checks = [
        (f"first answered ping, {less}", results[less]["insns"]["first_ping"],
         limits["boot_first_ping"], "insn"),
        (f"{more} over {less}, to main", growth["main"], limits["boot_ram_difference"], "insn"),
        (f"{more} over {less}, to first ping", growth["first_ping"],
         limits["boot_ram_difference"], "insn"),
        ("image", parts["image_bytes"], limits["image_bytes"], "bytes")]
    if machine.least_ram:
        checks.append(("least RAM that forwards", ram, limits["min_ram_mib"], "MiB"))
    return tools.check_budgets(checks)


def strip(results):
    return {memory: {key: value for key, value in result.items() if key != "last"}
            for memory, result in results.items()}


def measure(args, machine, say):
    """(starts, image, least RAM) of one machine."""
    img, elf_path = tools.image(machine.name, args.app)
    code = Code(Elf(elf_path), machine)
    results = starts(args, img, code, say)
    limit = tools.budgets(machine.name).get("min_ram_mib")
    ram = least_ram(args, img, machine, limit, say) if machine.least_ram else None
    return results, image_parts(img, elf_path, code.elf), ram


def report(args, machine, results, parts, ram):
    """Prints and saves one machine's result. True if it kept its budgets."""
    print_result(machine, results, parts, ram)
    if args.profile:
        print_profile(machine, results)
    limits = tools.budgets(machine.name)
    rows, kept = check(machine, results, parts, ram, limits)
    print()
    tools.table(rows, ["budget", "value", "limit", "unit", ""])
    where = tools.save(tools.result_name("boot", machine.name), {
        "starts": strip(results), "image": parts, "least_ram_mib": ram, "budgets": limits,
        "budgets_kept": kept})
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
            result = measure(args, machine, say)
        except (vm.VmError, TrafficError, counters.PluginError, KeyError) as error:
            say.done()
            print(f"bench-boot: {machine.name}: {error}", file=sys.stderr)
            status = 2
            continue
        say.done()
        if not report(args, machine, *result):
            status = status or 1
    return status


if __name__ == "__main__":
    tools.run(main)

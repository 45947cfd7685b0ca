#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Guest instructions per forwarded packet, in one run: on arm64 ours beside Linux's, with the same
# QEMU, machine, NIC, plugin and generator; on the other machines ours beside ours on arm64. Method
# and what the figures mean: docs/measuring.md.
#
#   --ours      nothing beside it      --linux   without ours
#   --profile   functions, top 30      --quick   fewer packets
#
# Prints a table, writes out/bench/forward[-MACHINE].json, ends with status 1 when a budget of
# budgets.json is missed, 2 when there is no result. Relies on: QEMU 10 with plugins,
# out/bench/debs for Linux, out/arm64/APP.img for the other machines.

import argparse
import platform as host
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lib import counters, linux_guest, profile, ready, tools, topology, vm  # noqa: E402
from lib.elf import Code, Elf                                        # noqa: E402
from lib.generator import Generator, TrafficError                    # noqa: E402
from lib.machines import MACHINES                                    # noqa: E402

BASE = "arm64"
HOLD_US = 2000
FRAME = 60
FULL_BURST = 32
QUIET_S = 1.0
QUIET_TURNS = 1000   # below this a CPU sleeps when it is idle, and nothing is subtracted
BOOT_TIMEOUT_S = 60
STRAY_PACKETS = 20   # ARP and the like, in a run


def parse():
    parser = argparse.ArgumentParser(description="instructions per forwarded packet")
    parser.add_argument("--platform", nargs="+", default=[BASE], choices=MACHINES)
    parser.add_argument("--cpu", help="another CPU model of that machine")
    parser.add_argument("--app", default="router")
    parser.add_argument("--ours", action="store_true", help="leave out what is beside it")
    parser.add_argument("--linux", action="store_true", help="leave ours out, hold no budget")
    parser.add_argument("--profile", action="store_true", help="print the top 30 functions")
    parser.add_argument("--quick", action="store_true", help="fewer packets")
    parser.add_argument("--packets", type=int, help="packets a run")
    parser.add_argument("--repeats", type=int, help="runs of each kind (median)")
    parser.add_argument("--append", default="", help="kernel options for ours")
    parser.add_argument("--memory", help="the guests' RAM")
    args = parser.parse_args()
    args.packets = args.packets or (10000 if args.quick else 40000)
    args.repeats = args.repeats or 5
    return args


def warm_up(gen, window):
    gen.run(3000, window, FRAME)


def measured(count, gen, packets, window):
    """The counters' difference over one run that begins and ends with nothing in flight."""
    count.settle(limit_s=0.1)
    before = count.snapshot()
    report = gen.run(packets, window, FRAME)
    count.settle(limit_s=0.1)
    return count.snapshot() - before, report


def quiet_turn(count):
    """(instructions of an empty turn, turns seen) of a second without traffic."""
    before = count.snapshot()
    time.sleep(QUIET_S)
    quiet = count.snapshot() - before
    turns = quiet.empty_turns
    if quiet.busy_turns or turns < QUIET_TURNS:
        return 0.0, turns
    return quiet.empty_insns / turns, turns


def busy_figure(delta, packets, quiet):
    """Work put off to empty turns counts: only what an idle turn costs anyway is taken off."""
    return (delta.insns - delta.empty_turns * quiet) / packets


def burst_table(delta):
    return [{"packets": size, "turns": turns, "insns_per_packet": round(insns / turns / size, 1)}
            for size, (turns, insns) in enumerate(zip(delta.burst_turns, delta.burst_insns))
            if turns and size]


def burst_cost(result, packets):
    """Per packet, of a turn of that many: what `all` says, were it not for how bursts fall."""
    if not result["turn_fit"]:
        return None
    fixed, each = result["turn_fit"]
    return fixed / packets + each


def turn_fit(delta):
    """(a, b): a turn of n packets costs about a + b x n; least squares over all busy turns."""
    points = [(size, turns, insns) for size, (turns, insns)
              in enumerate(zip(delta.burst_turns, delta.burst_insns)) if turns and size]
    weight = sum(turns for _, turns, _ in points)
    mean_n = sum(size * turns for size, turns, _ in points) / max(weight, 1)
    mean_y = sum(insns for _, _, insns in points) / max(weight, 1)
    var = sum(turns * (size - mean_n) ** 2 for size, turns, _ in points)
    if len(points) < 3 or not var:
        return None
    slope = sum((size - mean_n) * (insns - mean_y * turns) for size, turns, insns in points) / var
    return mean_y - slope * mean_n, slope


def check_delta(delta, packets):
    """A figure that does not add up is worse than none."""
    if not packets <= delta.packets <= packets + STRAY_PACKETS:
        raise TrafficError(f"{counters.POLLED} took {delta.packets} packets of {packets}: it "
                           "is not the only way through, or its result is not what it should be")
    if delta.blind_turns:
        raise TrafficError(f"{delta.blind_turns} turns stored no result to {counters.RESULT}")
    inside = delta.busy_insns + delta.empty_insns
    if abs(inside - delta.insns) > 0.05 * delta.insns + 20000:
        raise TrafficError(f"turns hold {inside} instructions, the vCPU executed {delta.insns}")


def held_runs(count, gen, args, window, say, who):
    """Runs with the vCPU's host thread held after empty turns and before idling: full bursts."""
    warm_up(gen, window)
    quiet, quiet_turns = quiet_turn(count)
    count.hold(HOLD_US)
    runs = []
    for turn in range(args.repeats):
        say(f"{who}: full bursts, window {window}, run {turn + 1} of {args.repeats}")
        delta, _ = measured(count, gen, args.packets, window)
        check_delta(delta, args.packets)
        runs.append((busy_figure(delta, args.packets, quiet), delta))
    count.hold(0)
    runs.sort(key=lambda run: run[0])
    value, delta = runs[len(runs) // 2]
    return {"window": window, "per_packet": value, "all": [run[0] for run in runs],
            "mean_burst": delta.packets / max(delta.busy_turns, 1), "bursts": burst_table(delta),
            "quiet_turn": quiet, "quiet_turns_per_s": quiet_turns / QUIET_S,
            "empty_turns": delta.empty_turns, "busy_turns_only": delta.busy_insns / args.packets,
            "delta": delta}


def full_bursts(count, gen, args, say, who):
    """
    Busy turns of 32 at window 128. A router whose turns there are larger, and so cheaper a
    packet, is measured at window 32 as well, and that is its figure (the last of the list).
    """
    results = [held_runs(count, gen, args, 128, say, who)]
    if results[0]["mean_burst"] > FULL_BURST * 1.05:
        results.append(held_runs(count, gen, args, FULL_BURST, say, who))
    return results


def natural(count, gen, args, window, say, who):
    """Everything executed on the vCPU, nothing held back; all but `all` is of the median run."""
    warm_up(gen, window)
    runs = []
    for turn in range(args.repeats):
        say(f"{who}: window {window}, run {turn + 1} of {args.repeats}")
        delta, report = measured(count, gen, args.packets, window)
        runs.append((delta.insns / args.packets, delta, report["seconds"]))
    values = [run[0] for run in runs]
    runs.sort(key=lambda run: run[0])
    value, delta, seconds = runs[len(runs) // 2]
    return {"window": window, "per_packet": value, "span": tools.spread(values)[1], "all": values,
            "mean_burst": delta.packets / delta.busy_turns if delta.busy_turns else None,
            "turn_fit": turn_fit(delta), "pps_with_plugin": round(args.packets / seconds),
            "delta": delta}


# How many packets wait when the guest wakes is the host's doing: on a quiet one 10 to 20. A series
# that other load cut into small bursts says more about that load than about us.
DISTURBED_BURST = 5
SERIES_MAX = 6
SERIES_PAUSE_S = 5  # such spells last; each wait is longer than the one before


def undisturbed(count, gen, args, window, say, who):
    """natural(), measured again (at most five times) while the host is too busy to let bursts form;
    the least disturbed series counts."""
    results = []
    while len(results) < SERIES_MAX:
        results.append(natural(count, gen, args, window, say, who))
        burst = results[-1]["mean_burst"]
        if not burst or burst >= DISTURBED_BURST:
            break
        say(f"{who}: bursts of {burst:.1f} packets: the host is busy, waiting")
        if len(results) < SERIES_MAX:
            time.sleep(SERIES_PAUSE_S * len(results))
    best = max(results, key=lambda result: result["mean_burst"] or 0)
    best["series"] = len(results)
    return best


def run_guest(machine_type, guest, params_of, work, say):
    """Starts one guest and calls `work(counters, generator)` once it forwards."""
    machine = vm.Vm(machine_type, guest, plugin=tools.PLUGIN)
    params_of(machine.params, machine.counters)
    say(f"{guest.name}: starting")
    with machine, Generator(tools.GENERATOR, machine.dir) as gen:
        count = counters.Counters(machine.counters)
        if guest.initrd:
            machine.wait_output(linux_guest.READY, BOOT_TIMEOUT_S)
        ready.wait_forwarding(machine, gen, BOOT_TIMEOUT_S, say)
        try:
            return work(count, gen)
        except TrafficError as error:
            raise TrafficError(f"{guest.name}: {error}") from None


def measure_ours(args, machine, say):
    img, elf_path = tools.image(machine.name, args.app)
    code = Code(Elf(elf_path), machine)
    functions = code.functions()
    guest = vm.Guest(name=f"ours {machine.name}", kernel=img, config=topology.CONFIG,
                     memory=args.memory or machine.memory, append=args.append)

    def params_of(path, shm):
        counters.write_params(path, shm, exact=True, code=code, polled=True,
                              profile=functions if args.profile else ())

    def work(count, gen):
        held_to = "total_window32" in tools.budgets(machine.name)
        return {"busy": full_bursts(count, gen, args, say, guest.name),
                "window32": (undisturbed if held_to else natural)(count, gen, args, 32, say,
                                                                  guest.name),
                "window128": natural(count, gen, args, 128, say, guest.name),
                "functions": functions, "cpu": machine.cpu}

    return run_guest(machine, guest, params_of, work, say)


def measure_linux(args, say):
    guest = linux_guest.guest(tools.BENCH, memory=args.memory or MACHINES[BASE].memory)
    idles = linux_guest.idle_addresses(guest)

    def params_of(path, shm):
        counters.write_params(path, shm, exact=True, idles=idles)

    def work(count, gen):
        result = {"name": guest.name}
        result["window128"] = natural(count, gen, args, 128, say, guest.name)
        result["window32"] = natural(count, gen, args, 32, say, guest.name)
        if not count.snapshot().idles:
            raise TrafficError("its idle instruction is not where it was looked for")
        count.hold(HOLD_US)
        result["held"] = natural(count, gen, args, 128, say, f"{guest.name}, held")
        return result

    return run_guest(MACHINES[BASE], guest, params_of, work, say)


@dataclass
class Beside:
    """The column beside ours: per packet, by the names of the figures of measure_ours()."""
    name: str
    figures: dict
    ratio: str              # its heading
    of: Callable            # (mine, theirs): its text


def beside_linux(linux):
    """Linux by ours. Beside busy turns stands Linux held in the same way."""
    figures = {key: linux[key]["per_packet"] for key in ("window128", "window32")}
    return Beside("Linux", {**figures, "busy": linux["held"]["per_packet"]}, "ratio",
                  lambda mine, theirs: f"{theirs / mine:.1f}x")


def beside_base(ours):
    """Ours by ours on arm64."""
    figures = {key: ours[key]["per_packet"] for key in ("window128", "window32")}
    return Beside(f"on {BASE}", {**figures, "busy": ours["busy"][-1]["per_packet"]}, "ratio",
                  lambda mine, theirs: f"{mine / theirs:.2f}")


def comparison_row(label, mine, beside, key):
    theirs = beside.figures[key] if beside else None
    ratio = beside.of(mine, theirs) if mine and theirs else "-"
    return [label, tools.number(mine), tools.number(theirs), ratio]


def print_result(machine, ours, beside):
    rows = []
    for busy in ours["busy"] if ours else []:
        rows.append(comparison_row(f"busy turns of {busy['mean_burst']:.0f}, window "
                                   f"{busy['window']}", busy["per_packet"], beside, "busy"))
    for key, label in (("window32", "all, window 32"), ("window128", "all, window 128")):
        rows.append(comparison_row(label, ours[key]["per_packet"] if ours else None, beside, key))
    print(f"\n{machine.name} ({machine.cpu}): guest instructions per packet, {FRAME}-byte frames, "
          "one route, one direction")
    tools.table(rows, ["", "ours", beside.name if beside else "-",
                       beside.ratio if beside else "-"])
    if ours:
        print(f"spread: window 32 {ours['window32']['span']}; busy "
              f"{tools.spread(ours['busy'][-1]['all'])[1]}; an idle turn costs "
              f"{ours['busy'][-1]['quiet_turn']:.0f} ({ours['busy'][-1]['quiet_turns_per_s']:.0f}"
              " turns a second)")
        print_bursts(ours["window32"])


def print_linux(linux):
    print(f"spread: {linux['name']}: window 128 {linux['window128']['span']}, window 32 "
          f"{linux['window32']['span']}")


def print_bursts(result):
    """How full bursts are decides the figure when nothing is held back, and that is the host's."""
    text = f"bursts at window 32: {result['mean_burst']:.1f} packets on average"
    if result["turn_fit"]:
        fixed, each = result["turn_fit"]
        text += f"; a turn of n packets costs about {fixed:.0f} + {each:.0f} x n"
    print(text)


def print_profile(ours, args):
    busy, natural32 = ours["busy"][-1]["delta"], ours["window32"]["delta"]
    for title, counts in (("busy turns, full bursts", busy.profile["busy"]),
                          ("everything, full bursts", busy.profile["all"]),
                          ("everything, window 32", natural32.profile["all"])):
        print(f"\nTop functions, {title}: instructions per packet")
        tools.table(profile.top(ours["functions"], counts, args.packets),
                    ["function", "insns/pkt", "%"])


def strip(result):
    """What goes to the JSON file: all but the raw snapshots."""
    if isinstance(result, dict):
        return {key: strip(value) for key, value in result.items()
                if key not in ("delta", "functions")}
    if isinstance(result, (list, tuple)):
        return [strip(value) for value in result]
    return round(result, 2) if isinstance(result, float) else result


def qemu_version(machine):
    out = subprocess.run([machine.qemu, "--version"], capture_output=True, text=True,
                         check=True).stdout
    return out.splitlines()[0]


def measure(args, machine, results, say):
    """
    Adds to `results` what this machine's table takes: {"linux" or a machine's name: figures}. Ours
    on arm64 is measured once for all that stand beside it.
    """
    if not args.linux and machine.name not in results:
        results[machine.name] = measure_ours(args, machine, say)
    if machine.name == BASE and not args.ours:
        results["linux"] = measure_linux(args, say)
    if machine.name != BASE and not args.ours and BASE not in results:
        results[BASE] = measure_ours(args, MACHINES[BASE], say)


def busy_limit(limits, results):
    """Held against arm64 of the same run where there is one."""
    if "busy_over_arm64" in limits and results.get(BASE):
        return limits["busy_over_arm64"] * results[BASE]["busy"][-1]["per_packet"]
    return limits["busy_per_packet"]


def checks(ours, limits, results):
    """
    What is held to a budget. How full bursts are when nothing is held back is the host's doing: the
    plain figure is held to one on arm64 alone, elsewhere the cost of a burst of a given size.
    """
    rows = [("busy turns of 32", ours["busy"][-1]["per_packet"], busy_limit(limits, results),
             "insn")]
    if "total_window32" in limits:
        rows.append(("all, window 32, median", ours["window32"]["per_packet"],
                     limits["total_window32"], "insn"))
    if "turn_of_8" in limits:
        rows.append(("turns of 8, from the fit", burst_cost(ours["window32"], 8),
                     limits["turn_of_8"], "insn"))
    return rows


def report(args, machine, results):
    """Prints and saves one machine's result. True if it kept its budgets."""
    ours, linux = results.get(machine.name), results.get("linux")
    if machine.name == BASE:
        beside = beside_linux(linux) if linux else None
    else:
        beside, linux = beside_base(results[BASE]) if BASE in results else None, None
    print_result(machine, ours, beside)
    if linux:
        print_linux(linux)
    if ours and args.profile:
        print_profile(ours, args)
    kept, limits = True, tools.budgets(machine.name)
    if ours:
        rows, kept = tools.check_budgets(checks(ours, limits, results))
        print()
        tools.table(rows, ["budget", "value", "limit", "unit", ""])
    where = tools.save(tools.result_name("forward", machine.name), {
        "ours": strip(ours), "linux": strip(linux), "budgets_kept": kept, "frame_bytes": FRAME,
        "beside": strip(beside.figures) if beside else None,
        "packets_per_run": args.packets, "qemu": qemu_version(machine), "host": host.machine(),
        "budgets": limits})
    print(f"written: {where}", flush=True)
    return kept


def main():
    args = parse()
    say = tools.Progress()
    vm.private_network(say)
    tools.start()
    results, status = {}, 0
    for machine in tools.machines(args):
        try:
            measure(args, machine, results, say)
        except (vm.VmError, TrafficError, counters.PluginError, FileNotFoundError, KeyError,
                ValueError) as error:
            say.done()
            print(f"bench-forward: {machine.name}: {error}", file=sys.stderr)
            status = 2
            continue
        say.done()
        if not report(args, machine, results):
            status = status or 1
    return status


if __name__ == "__main__":
    tools.run(main)

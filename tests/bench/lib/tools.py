# SPDX-License-Identifier: BSD-2-Clause
#
# Where things are, building the plugin and the generator, printing, budgets.

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from lib.machines import MACHINES

TOP = Path(__file__).resolve().parents[3]
BENCH = TOP / "out/bench"
BUDGETS = TOP / "tests/bench/budgets.json"
PLUGIN = BENCH / "count.so"
GENERATOR = BENCH / "gen"
PRIORITY = -10


def build():
    """Plugin and generator, if they are older than their sources."""
    BENCH.mkdir(parents=True, exist_ok=True)
    subprocess.run(["make", "-s", "-f", "tests/bench/bench.mk"], cwd=TOP, check=True,
                   env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "0"})


def start():
    """
    Before anything is started: builds the tools, turns SIGTERM into an orderly end, and goes
    before other jobs where that is allowed: how packets fall into bursts depends on how soon
    QEMU's threads and the generator run.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    build()
    try:
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    except PermissionError:
        pass


def run(main):
    """The program's status is main's; Ctrl-C ends it without a traceback."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)


def image(platform, app):
    """(image, elf) of the build, or an exit with one line."""
    img, elf = (TOP / f"out/{platform}/{app}.{kind}" for kind in ("img", "elf"))
    for path in (img, elf):
        if not path.exists():
            sys.exit(f"bench: {path.relative_to(TOP)} is missing: run make first")
    return img, elf


def machines(args):
    """The machines that were asked for (--platform), with the CPU that was (--cpu)."""
    found = [MACHINES[name] for name in args.platform]
    return [replace(machine, cpu=args.cpu) for machine in found] if args.cpu else found


def budgets(machine):
    return json.loads(BUDGETS.read_text())[machine]


def result_name(what, machine):
    """arm64's results are what others are held against: they have the plain name."""
    return f"{what}.json" if machine == "arm64" else f"{what}-{machine}.json"


class Progress:
    """One line that says what is going on; on a terminal it is overwritten."""

    def __init__(self):
        self.live = sys.stderr.isatty()
        self.start = time.monotonic()

    def __call__(self, text):
        line = f"[{time.monotonic() - self.start:5.1f} s] {text}"
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{line[:width]:<{width}}", end="", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)

    def done(self):
        if self.live:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{'':<{width}}\r", end="", file=sys.stderr, flush=True)


def table(rows, head):
    """Prints rows aligned, the first column to the left, all others to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for number, row in enumerate(cells):
        parts = [row[0].ljust(widths[0])]
        parts += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(parts).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


def spread(values, digits=0):
    """(median, 'lowest to highest')"""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return median, f"{ordered[0]:,.{digits}f} to {ordered[-1]:,.{digits}f}"


def save(name, result):
    path = BENCH / name
    BENCH.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
    return path.relative_to(TOP)


def check_budgets(checks, digits=0):
    """checks: [(name, value, limit, unit)], a value above the limit misses. Rows, all kept?"""
    rows, kept = [], True
    for name, value, limit, unit in checks:
        good = value is not None and value <= limit
        kept = kept and good
        rows.append([name, number(value, digits), number(limit, digits), unit,
                     "ok" if good else "MISSED"])
    return rows, kept

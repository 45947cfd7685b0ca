#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the guest tests: boots out/PLATFORM/guest.img on the machines below and reads the result
lines, then boots it once for each fault case and checks what the report says, that QEMU's own log
of exceptions agrees with it, and what follows.

Ends with the line `N passed, N failed`. `--one NAME` runs a single fault case and shows its log.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))

from damage import (DAMAGE, NOT_SEEN, UNDEFINED, UNDEFINED_END,     # noqa: E402
                    matches)
from rig.machine import MACHINES as RIG     # noqa: E402

QEMU = ["-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio", "-net", "none"]
BOOT_LIMIT_S = 120

# (machine options, CPU, memory). The fault cases run on the first of each CPU in FAULT_CPUS.
MACHINES = {
    # Both interrupt controllers, both entry levels, three CPU models.
    "arm64": [
        ("virt,gic-version=3", "cortex-a72", "128M"),
        ("virt,gic-version=2", "cortex-a53", "64M"),
        ("virt,gic-version=3,virtualization=on", "cortex-a72", "128M"),
        ("virt,gic-version=3", "max", "2G"),
        ("virt,gic-version=3", "cortex-a72", "16M"),
    ],
    # Memory below and above the hole at 256 MiB.
    "loongarch64": [
        ("virt", "la464", "512M"),
        ("virt", "la464", "128M"),
        ("virt", "max", "1G"),
        ("virt", "la464", "4G"),
    ],
    "loongson3": [
        ("loongson3-virt", "Loongson-3A4000", "512M"),
        ("loongson3-virt", "Loongson-3A1000", "512M"),
        ("loongson3-virt", "Loongson-3A4000", "1G"),
        ("loongson3-virt", "Loongson-3A1000", "4G"),
    ],
}
# (machine options, CPU, memory, mask of the `edu` device, options): memory lies at both sides of the
# mask, and the contiguous area at one. LoongArch's QEMU has no such device.
DMA_MACHINES = {
    "arm64": [
        ("virt,gic-version=3", "cortex-a72", "1536M", 0x7fffffff, "cma=16M"),
        ("virt,gic-version=3", "cortex-a72", "1536M", 0x7fffffff, "cma=16M@0x50000000"),
        ("virt,gic-version=3", "cortex-a72", "6G", 0xffffffff, "cma=64M"),
    ],
    "loongarch64": [("virt", "la464", "1G", None, "cma=64M")],
    "loongson3": [
        ("loongson3-virt", "Loongson-3A4000", "512M", 0xfffffff, "cma=32M@0x4000000"),
        ("loongson3-virt", "Loongson-3A4000", "4G", 0xffffffff, "cma=64M"),
    ],
}
FAULT_CPUS = {"arm64": ["cortex-a72"], "loongarch64": ["la464"],
              "loongson3": ["Loongson-3A4000", "Loongson-3A1000"]}
CANNOT = {("Loongson-3A1000", "run-data"): "this CPU has no execute protection",
          ("Loongson-3A1000", "run-stack"): "this CPU has no execute protection"}

# phrase: of the report, a regular expression; function: of the call chain, or None; access: what
# QEMU must have seen, or None
Fault = namedtuple("Fault", "phrase function access")
UNMAPPED = "write to an unmapped address"
FAULTS = {
    "null-read": Fault("read of an unmapped address", "null_read", "read"),
    "null-write": Fault(UNMAPPED, "null_write", "write"),
    "null-call": Fault("jump to an unmapped address", None, "fetch"),
    "write-text": Fault("write to a read-only page", "write_text", "write, protected"),
    "write-rodata": Fault("write to a read-only page", "write_rodata", "write, protected"),
    "run-data": Fault("execution of data", None, "fetch, protected"),
    "run-stack": Fault("execution of data", None, "fetch, protected"),
    "undefined": Fault("(undefined|reserved) instruction", "undefined", "undefined"),
    # clang's on LoongArch is an atomic access to address 0.
    "trap": Fault("instruction|unmapped address", "trap", None),
    "stack-overflow": Fault("stack overflow", "recurse", "write"),
    "thread-overflow": Fault('thread "deep"', "recurse", "write"),
    "interrupt": Fault(UNMAPPED, "fault_in_softirq", "write"),
    "stack-smash": Fault("stack protector|stack out of bounds", "smash", None),  # or KASAN
    "panic": Fault("as the test asked", "plain_panic", None),
}
# `panic=` value: (what the log ends with, whether QEMU must end by itself)
ENDINGS = {"-1": ("", True), "1": ("reboot", True), "poweroff": ("", True),
           "0": ("system halted", False)}


# ---- QEMU's log of exceptions (-d int) -----------------------------------------------------------

# One exception of the log: groups name, address (of the access) and pc, in hexadecimal digits.
LOGGED = {
    "arm64": re.compile(
        r"Taking exception \d+ \[(?P<name>.*)\] on CPU.*\n(?:\.\.\.from .*\n)?"
        r"(?:\.\.\.with ESR 0x\w+/0x(?P<syndrome>\w+)\n)?(?:\.\.\.with FAR 0x(?P<address>\w+)\n)?"
        r"(?:\.\.\.with SPSR .*\n)?(?:\.\.\.with ELR 0x(?P<pc>\w+))?"),
    "loongarch64": re.compile(
        r"do_interrupt enter: pc (?P<pc>\w+) .*exception: \d+ \((?P<name>.*)\)\n"
        r"(?:.*\n)??.*BADVA (?P<address>[0-9a-f]{16})"),
    "loongson3": re.compile(
        r"do_interrupt enter: PC .* EPC \w+ (?P<name>.*) exception\n"
        r".*do_interrupt: PC \w+ EPC (?P<pc>\w+) cause.*\n"
        r".* C (?P<syndrome>\w+) A (?P<address>\w+) D"),
}
# access: what the name, with the access that the syndrome tells on ARM64, must match
NAMES = {
    "arm64": {
        "read": "Data Abort read translation", "write": "Data Abort write translation",
        "fetch": "Prefetch Abort .* translation", "write, protected": "Data Abort write permission",
        "fetch, protected": "Prefetch Abort .* permission", "undefined": "Undefined Instruction"},
    "loongarch64": {
        "read": "Page invalid exception for load", "write": "Page invalid exception for store",
        "fetch": "Page invalid exception for fetch", "write, protected": "Page modified exception",
        "fetch, protected": "Page Not Executable exception",
        "undefined": "Instruction Non-Existent"},
    "loongson3": {
        "read": "TLB load", "write": "TLB store", "fetch": "TLB load",
        "write, protected": "TLB modify", "fetch, protected": "TLB execute-inhibit",
        "undefined": "reserved instruction"},
}
CAUSE_BD = 1 << 31      # EPC is the branch, and its delay slot raised the exception
ESR_WRITE = 0x40
ESR_FAULT_TYPES = {1: "translation", 3: "permission"}   # bits 5:2 of the fault status code


def exceptions(platform, log):
    """(name, address, pc) of each exception in QEMU's log."""
    for match in LOGGED[platform].finditer(log):
        found = match.groupdict(default="0")
        name = found["name"]
        if "Abort" in name:
            esr = int(found["syndrome"], 16)
            name += " write " if esr & ESR_WRITE else " read "
            name += ESR_FAULT_TYPES.get(esr >> 2 & 15, "")
        pc = int(found["pc"], 16)
        if platform == "loongson3" and int(found["syndrome"], 16) & CAUSE_BD:
            pc += 4
        yield name, int(found["address"], 16), pc


def log_problem(platform, access, report, log):
    """What of a fault report QEMU has seen differently; None if it agrees."""
    pc = re.search(r"^\[[ .\d]+\]   pc ([0-9a-f]{16}) ", report, re.M)
    address = re.search(r"^\[[ .\d]+\]   address ([0-9a-f]{16})", report, re.M)
    if not pc or (not address and access != "undefined"):
        return "the report lacks pc or address"
    seen = list(exceptions(platform, log))
    for name, at, where in seen:
        if (re.fullmatch(NAMES[platform][access], name) and where == int(pc.group(1), 16)
                and (not address or at == int(address.group(1), 16))):
            return None
    return f"QEMU has seen no such '{NAMES[platform][access]}', but at last\n" + "\n".join(
        f"  {name}: address {at:#x}, pc {where:#x}" for name, at, where in seen[-5:])


# ---- boots ---------------------------------------------------------------------------------------

class Guest:
    """An image and the QEMU that runs it."""

    def __init__(self, platform, image):
        self.platform, self.image = platform, image
        self.machines = MACHINES[platform]
        self.is_kasan, self.is_ubsan = "-kasan" in image, "-ubsan" in image

    def boot(self, machine, cpu, memory, cmdline, stop_at=None, log=None, items="int",
             extra=()):
        """The serial output, and whether QEMU ended by itself."""
        rig = RIG[self.platform]
        command = [rig.qemu, *QEMU, *rig.options, "-M", machine, "-cpu", cpu, "-m", memory,
                   "-kernel", self.image, "-append", cmdline, *extra]
        command += ["-d", items, "-D", log] if log else []
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as qemu:
            timer = concurrent.futures.ThreadPoolExecutor(1)
            watchdog = timer.submit(_kill_after, qemu, BOOT_LIMIT_S)
            output, ended = b"", True
            for line in qemu.stdout:
                output += line
                if stop_at and stop_at in line:
                    ended = False
                    break
            qemu.kill() if not ended else qemu.wait()
            watchdog.cancel()
            timer.shutdown(wait=False)
            text = output.decode(errors="replace").replace("\r", "")
            return text, ended and qemu.returncode in (0, None)

    def of_cpu(self, cpu):
        return next(each for each in self.machines if each[1] == cpu)


def _kill_after(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


class Results:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, good, name, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}\n{detail}", flush=True)

    def skip(self, name, reason):
        self.skipped += 1
        print(f"skip {name}: {reason}", flush=True)

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def count(where, output, results):
    """Takes the lines of a run in."""
    passed = len(re.findall(r"guest: pass ", output))
    failures = re.findall(r"guest: FAIL (.*)", output)
    results.passed += passed
    for failure in failures:
        results.add(False, f"{where}: {failure.strip()}")
    for found in re.findall(r"ubsan: .*", output):
        results.add(False, f"{where}: {found.strip()}")
    if not re.search(rf"guest: {passed} passed, {len(failures)} failed", output):
        results.add(False, f"{where}: the run did not reach its end", output[-3000:])
    print(f"guest: {where}: {passed} passed, {len(failures)} failed", flush=True)


def run_suites(guest, results):
    for machine, cpu, memory in guest.machines:
        if guest.is_kasan and memory == "16M":
            memory = "24M"      # an eighth is shadow, the image is larger, freed memory waits
        output, _ = guest.boot(machine, cpu, memory, "panic=-1 loglevel=4 memlimit=app:6M")
        count(f"{machine} {cpu} {memory}", output, results)


def run_dma(guest, results):
    """With a device of short addresses, which must never have been given a longer one."""
    for machine, cpu, memory, mask, option in DMA_MACHINES[guest.platform]:
        where = f"dma: {machine} {cpu} {memory} mask {mask or 0:#x} {option}"
        cmdline = f"panic=-1 {option}" + (f" edu_mask={mask:#x}" if mask else "") + " -- only dma"
        extra = ["-device", f"edu,dma_mask={mask:#x}"] if mask else []
        with tempfile.NamedTemporaryFile(prefix="sluice-", suffix=".log") as file:
            output, _ = guest.boot(machine, cpu, memory, cmdline, log=file.name,
                                   items="guest_errors", extra=extra)
            log = Path(file.name).read_text(errors="replace")
        count(where, output, results)
        results.add("EDU" not in log, f"{where}: the device says", log[-2000:])
        if mask:
            results.add("bounce buffers at" in output, f"{where}: nothing was bounced", output)


def fault_is_reported(guest, cpu, name, results):
    """The console's text and QEMU's log."""
    if (cpu, name) in CANNOT:
        return results.skip(f"fault {name} on {cpu}", CANNOT[cpu, name])
    wanted = FAULTS[name]
    with tempfile.NamedTemporaryFile(prefix="sluice-", suffix=".log") as file:
        output, ended = guest.boot(*guest.of_cpu(cpu), f"panic=-1 -- fault {name}", log=file.name)
        log = Path(file.name).read_text(errors="replace")
    good = ended and re.search(wanted.phrase, output) and (
        not wanted.function or f" {wanted.function}+0x" in output)
    results.add(good, f"fault {name} on {cpu}: wants '{wanted.phrase}' and '{wanted.function}'",
                output[-3000:])
    if wanted.access:
        problem = log_problem(guest.platform, wanted.access, output, log)
        results.add(not problem, f"fault {name} on {cpu} in QEMU's log: {problem}")
    return output + log


def damage_is_reported(guest, name, results):
    output, ended = guest.boot(*guest.machines[0], f"panic=-1 -- damage {name}", stop_at=NOT_SEEN)
    results.add(ended and matches(name, output), f"damage {name}: wants {DAMAGE[name]}",
                output[-3000:])
    return output


def undefined_is_reported(guest, results):
    output, _ = guest.boot(*guest.machines[0], "panic=-1 -- undefined", stop_at=UNDEFINED_END)
    for name, line in UNDEFINED.items():
        results.add(re.search(rf"ubsan: tests/guest/undefined.c:\d+:\d+: {line}", output),
                    f"undefined {name}: wants '{line}'", output[-3000:])
    results.add(UNDEFINED_END.decode() in output, "undefined: goes on", output[-3000:])
    output, ended = guest.boot(*guest.machines[0], "panic=-1 ubsan=panic -- undefined",
                               stop_at=UNDEFINED_END)
    results.add(ended and re.search(r"panic: ubsan: .*shift by 40", output),
                "undefined: ubsan=panic", output[-3000:])


def endings_are_followed(guest, results):
    for value, (phrase, by_itself) in ENDINGS.items():
        output, ended = guest.boot(*guest.machines[0], f"panic={value} -- fault panic",
                                   stop_at=None if by_itself else phrase.encode())
        results.add(ended == by_itself and phrase in output, f"panic={value}", output[-2000:])


def main():
    platform = os.environ.get("PLATFORM", "arm64")
    parser = argparse.ArgumentParser()
    parser.add_argument("--platform", default=platform, choices=MACHINES)
    parser.add_argument("--image", default=os.environ.get("GUEST_IMAGE"))
    parser.add_argument("--one", choices=[*FAULTS, *DAMAGE])
    options = parser.parse_args()
    guest = Guest(options.platform, options.image or f"out/{options.platform}/guest.img")
    results = Results()
    cpus = FAULT_CPUS[options.platform]
    if options.one in DAMAGE:
        print(damage_is_reported(guest, options.one, results))
    elif options.one:
        print(fault_is_reported(guest, cpus[0], options.one, results))
    else:
        run_suites(guest, results)
        run_dma(guest, results)
        for cpu in cpus:
            for name in FAULTS:
                fault_is_reported(guest, cpu, name, results)
        endings_are_followed(guest, results)
        if guest.is_ubsan:
            undefined_is_reported(guest, results)
        for name in DAMAGE if guest.is_kasan else []:
            damage_is_reported(guest, name, results)
    print(results)
    return 1 if results.failed or not results.passed else 0


if __name__ == "__main__":
    sys.exit(main())

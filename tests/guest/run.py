#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs the guest tests: boots out/PLATFORM/guest.img on the machines below and reads the result
lines, then boots it once for each fault case and checks what the report says and what follows.

Ends with the line `N passed, N failed`. `--one NAME` runs a single fault case and shows its log.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

QEMU = ["qemu-system-aarch64", "-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio",
        "-net", "none"]
BOOT_LIMIT_S = 120

# (machine options, CPU, memory): both interrupt controllers, both entry levels, three CPU models.
MACHINES = [
    ("virt,gic-version=3", "cortex-a72", "128M"),
    ("virt,gic-version=2", "cortex-a53", "64M"),
    ("virt,gic-version=3,virtualization=on", "cortex-a72", "128M"),
    ("virt,gic-version=3", "max", "2G"),
    ("virt,gic-version=3", "cortex-a72", "16M"),
]

UNMAPPED = "write to an unmapped address"
# Fault case: (a phrase of the report, a function of the call chain or None)
FAULTS = {
    "null-read": ("read of an unmapped address", "null_read"),
    "null-write": (UNMAPPED, "null_write"),
    "null-call": ("jump to an unmapped address", None),
    "write-text": ("write to a read-only page", "write_text"),
    "write-rodata": ("write to a read-only page", "write_rodata"),
    "run-data": ("execution of data", None),
    "run-stack": ("execution of data", None),
    "illegal": ("instruction", "illegal"),
    "stack-overflow": ("stack overflow", "recurse"),
    "thread-overflow": ('thread "deep"', "recurse"),
    "interrupt": (UNMAPPED, "fault_in_softirq"),
    "stack-smash": ("stack protector", "smash"),
    "panic": ("as the test asked", "plain_panic"),
}
# `panic=` value: (what the log ends with, whether QEMU must end by itself)
ENDINGS = {"-1": ("", True), "1": ("reboot", True), "poweroff": ("", True),
           "0": ("system halted", False)}


def boot(image, machine, cpu, memory, cmdline, stop_at=None):
    """The serial output, and whether QEMU ended by itself."""
    command = QEMU + ["-M", machine, "-cpu", cpu, "-m", memory, "-kernel", image,
                      "-append", cmdline]
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
        return output.decode(errors="replace"), ended and qemu.returncode in (0, None)


def _kill_after(process, seconds):
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()


class Results:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, good, name, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}\n{detail}", flush=True)


def run_suites(image, results):
    for machine, cpu, memory in MACHINES:
        where = f"{machine} {cpu} {memory}"
        output, _ = boot(image, machine, cpu, memory, "panic=-1 loglevel=4")
        passed = len(re.findall(r"guest: pass ", output))
        failures = re.findall(r"guest: FAIL (.*)", output)
        results.passed += passed
        for failure in failures:
            results.add(False, f"{where}: {failure.strip()}")
        if not re.search(rf"guest: {passed} passed, {len(failures)} failed", output):
            results.add(False, f"{where}: the run did not reach its end", output[-3000:])
        print(f"guest: {where}: {passed} passed, {len(failures)} failed", flush=True)


def fault_is_reported(image, name, results):
    phrase, function = FAULTS[name]
    output, ended = boot(image, *MACHINES[0], f"panic=-1 -- fault {name}")
    good = ended and phrase in output and (not function or f" {function}+0x" in output)
    results.add(good, f"fault {name}: wants '{phrase}' and '{function}'", output[-3000:])
    return output


def endings_are_followed(image, results):
    for value, (phrase, by_itself) in ENDINGS.items():
        output, ended = boot(image, *MACHINES[0], f"panic={value} -- fault panic",
                             stop_at=None if by_itself else phrase.encode())
        results.add(ended == by_itself and phrase in output, f"panic={value}", output[-2000:])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", default=os.environ.get("GUEST_IMAGE", "out/arm64/guest.img"))
    parser.add_argument("--one", choices=FAULTS)
    options = parser.parse_args()
    results = Results()
    if options.one:
        print(fault_is_reported(options.image, options.one, results))
    else:
        run_suites(options.image, results)
        for name in FAULTS:
            fault_is_reported(options.image, name, results)
        endings_are_followed(options.image, results)
    print(f"{results.passed} passed, {results.failed} failed")
    return 1 if results.failed or not results.passed else 0


if __name__ == "__main__":
    sys.exit(main())

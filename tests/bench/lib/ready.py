# SPDX-License-Identifier: BSD-2-Clause
#
# When a guest counts as up: it forwards a frame. What it says about itself is no evidence.

import time

from lib.generator import TrafficError
from lib.vm import VmError, last_line


def wait_forwarding(machine, gen, timeout_s, say=lambda text: None):
    """Returns when the first frame came back right; VmError when none does in time."""
    end = time.monotonic() + timeout_s
    while True:
        machine.check()
        report = gen.attempt(1, 1)
        if report["good"] == 1:
            return
        if report["bad"]:
            raise TrafficError(f"the first frame came back wrong: {report['faults']}")
        if time.monotonic() > end:
            raise VmError(f"{machine.guest.name}: forwards nothing in {timeout_s} s; its console's "
                          f"last line: {last_line(machine.output())}")
        say(f"{machine.guest.name}: waiting until it forwards")

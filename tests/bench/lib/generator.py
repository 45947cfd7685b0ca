# SPDX-License-Identifier: BSD-2-Clause
#
# The load generator (gen/gen.c) as an object: start it, have it run, get its verdict.

import json
import select
import subprocess

from lib import topology

SLACK_S = 30


class TrafficError(Exception):
    """Frames were lost or came back wrong: there is no figure then."""


class Generator:
    """Binds the peer's two sockets of a machine; answers ARP while it lives."""

    def __init__(self, binary, vm_dir, *, destination=topology.DESTINATION, count=1,
                 destinations=None):
        command = [str(binary), "--dir", str(vm_dir),
                   "--src-mac", topology.PEER_MACS[0], "--dut-in-mac", topology.DUT_MACS[0],
                   "--dut-out-mac", topology.DUT_MACS[1], "--dst-mac", topology.PEER_MACS[1],
                   "--src-ip", topology.PEER_IPS[0], "--next-hop", topology.PEER_IPS[1]]
        if destinations:
            command += ["--dst-file", str(destinations)]
        else:
            command += ["--dst", destination, "--dst-count", str(count)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.process.stdin.write("quit\n")
            self.process.stdin.flush()
        except OSError:
            pass
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def attempt(self, packets, window, length=60, timeout_s=120):
        """One run; its report, whatever it says."""
        self.process.stdin.write(f"run {packets} {window} {length}\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], timeout_s + SLACK_S)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            raise TrafficError("the generator gives no answer")
        report = json.loads(line)
        if "error" in report:
            raise TrafficError(f"generator: {report['error']}")
        return report

    def run(self, packets, window, length=60):
        """One run that must be perfect; its report."""
        report = self.attempt(packets, window, length)
        if report["lost"] or report["bad"] or report["duplicates"]:
            faults = ", ".join(f"{count} {name}" for name, count in report["faults"].items()
                               if count)
            raise TrafficError(
                f"window {window}: of {packets} frames {report['lost']} lost, {report['bad']} bad"
                f" ({faults or 'none'}), {report['duplicates']} twice: no result")
        return report

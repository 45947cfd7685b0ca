# SPDX-License-Identifier: BSD-2-Clause
#
# Starts one QEMU with the plugin and two virtio-net ports on unix datagram sockets, and ends it.
# Both sides of a comparison come through here, so that they differ in kernel and arguments only.
#
# Sockets, in the machine's directory: p0.qemu and p1.qemu are QEMU's, p0.gen and p1.gen belong
# to the peer (generator or pinger).

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from rig.blobs import cpio

LOGS = Path(__file__).resolve().parents[3] / "out/bench"
DGRAM_QUEUE = 2048
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PORT_MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
PEER_MACS = ["02:00:00:00:01:01", "02:00:00:00:01:02"]


class VmError(Exception):
    """QEMU ended early or the guest did not come up; one line."""


def private_network(say=print):
    """
    Moves this process into a network namespace of its own, where the queue length of unix
    datagram sockets can be raised: at the usual 10 no burst above 10 forms (bursts are then
    smaller, and figures higher; the run says so). Without root rights by way of a user namespace.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET):
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
            say("no network namespace of our own: bursts may stay short")
            return
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", encoding="ascii")
    try:
        Path("/proc/sys/net/unix/max_dgram_qlen").write_text(str(DGRAM_QUEUE), encoding="ascii")
    except OSError:
        say("cannot raise net.unix.max_dgram_qlen: bursts may stay short")


@dataclass
class Guest:
    """What runs in the machine."""
    name: str
    kernel: Path
    initrd: Path = None
    append: str = ""
    config: str = None       # text for our router
    memory: str = "128M"
    cpus: int = 1
    extra: list = field(default_factory=list)


class Vm:
    """A running QEMU; use it as a context, so that it ends with the block."""

    def __init__(self, machine, guest, *, plugin=None, ports=2):
        self.dir = Path(tempfile.mkdtemp(prefix="sluice-bench-"))
        self.params = self.dir / "params"    # for the plugin: to be written before start()
        self.counters = self.dir / "counters"
        self.console = self.dir / "console.log"
        self.guest = guest
        command = [machine.qemu, *machine.options, "-cpu", machine.cpu,
                   "-smp", str(guest.cpus), "-m", guest.memory,
                   "-nodefaults", "-nographic", "-no-reboot",
                   "-serial", f"file:{self.console}", "-kernel", str(guest.kernel)]
        if guest.initrd:
            command += ["-initrd", str(guest.initrd)]
        if guest.append:
            command += ["-append", guest.append]
        if guest.config is not None:
            command += self._config(machine, guest.config.encode())
        for port in range(ports):
            command += self._port(port)
        if plugin:
            command += ["-plugin", f"{plugin},params={self.params}"]
        self.command = command + guest.extra
        self.process = None
        self.start_ns = 0

    def _config(self, machine, text):
        path = self.dir / "config"
        if machine.config_by == "initrd":
            path.write_bytes(cpio({"etc/sluice.conf": text}))
            return ["-initrd", str(path)]
        path.write_bytes(text)
        return ["-fw_cfg", f"name=opt/org.sluice/config,file={path}"]

    def _port(self, port):
        local, remote = f"{self.dir}/p{port}.qemu", f"{self.dir}/p{port}.gen"
        return ["-netdev", f"dgram,id=n{port},local.type=unix,local.path={local},"
                           f"remote.type=unix,remote.path={remote}",
                "-device", f"virtio-net-pci,netdev=n{port},mac={PORT_MACS[port]},romfile="]

    def __enter__(self):
        self.start()
        return self

    def start(self):
        parent = os.getpid()
        with open(self.dir / "qemu.log", "wb") as log:
            self.start_ns = time.monotonic_ns()
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=lambda: _die_with(parent))

    def check(self):
        """Raises VmError, with QEMU's own last words, if it has ended."""
        if self.process.poll() is not None:
            words = (self.dir / "qemu.log").read_text(errors="replace").strip().splitlines()
            raise VmError(f"{self.guest.name}: QEMU ended with status {self.process.returncode}"
                          f": {words[-1] if words else 'no message'}")

    def output(self):
        try:
            return self.console.read_text(errors="replace")
        except OSError:
            return ""

    def wait_output(self, text, timeout_s):
        end = time.monotonic() + timeout_s
        while text not in self.output():
            self.check()
            if time.monotonic() > end:
                raise VmError(f"{self.guest.name}: no '{text}' on the console in {timeout_s} s; "
                              f"its last line: {last_line(self.output())}")
            time.sleep(0.05)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __exit__(self, *exc):
        self.stop()
        name = re.sub(r"\W+", "-", self.guest.name).lower()
        for log in ("console", "qemu"):
            if (self.dir / f"{log}.log").exists():
                shutil.copy(self.dir / f"{log}.log", LOGS / f"{name}-{log}.log")
        shutil.rmtree(self.dir, ignore_errors=True)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"


def _die_with(parent):
    """The kernel ends QEMU when we are killed: no machine is left behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)

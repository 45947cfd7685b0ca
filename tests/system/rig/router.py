# SPDX-License-Identifier: BSD-2-Clause
#
# A running router: QEMU, its console, QMP, and a Link at each port. exchange() is what most tests
# are made of: send frames, get all that the router sent because of them.

import ctypes
import dataclasses
import os
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from rig import frames as fr
from rig import machine as rig
from rig.console import Console, ConsoleError
from rig.gdb import Gdb
from rig.link import Link
from rig.qmp import Qmp

BOOT_LIMIT_S = 60
LIMIT_S = 30
PR_SET_PDEATHSIG = 1
PLATFORM = os.environ.get("PLATFORM", "arm64")
MACHINE = rig.MACHINES[PLATFORM]
IMAGE = Path(os.environ.get("ROUTER_IMAGE", rig.TOP / f"out/{PLATFORM}/router.img"))
BATCH = 64              # frames on their way at a time: rings hold them, however slow this host is
MARK_ID = 0x5e17        # of the frames that exchange() puts behind those of the test
MARK_PORT = 49999


class RouterError(AssertionError):
    """The machine did not do what it must; the text ends with its console."""


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Router:
    """
    options: `machine`, `cpu`, `memory`: QEMU's -M, -cpu, -m. `qemu`: the command in words.
    `config`: text that is handed over as the machine does it, None for none. `image`: None starts
    without -kernel. `frozen`: not an instruction runs before thaw(); `gdb` can change memory.
    `ports`: number of NICs. `nic_options`: text behind the NIC's options. `extra`: more words.
    `links`: False leaves the sockets p0.gen and p1.gen to somebody else.
    """

    living = []

    def __init__(self, *, config=rig.CONFIG, machine=None, cpu=None, memory=None, qemu=None,
                 image=IMAGE, append=None, initrd=None, ports=2, nic_options="", extra=(),
                 links=True, frozen=False):
        self.machine = dataclasses.replace(MACHINE, machine=machine or MACHINE.machine,
                                           cpu=cpu or MACHINE.cpu,
                                           memory=memory or MACHINE.memory)
        self.dir = Path(tempfile.mkdtemp(prefix="sluice-"))
        self.links = [Link(self.dir, number) for number in range(ports)] if links else []
        nics = [f"dgram,local.type=unix,local.path={self.dir}/p{number}.qemu,"
                f"remote.type=unix,remote.path={self.dir}/p{number}.gen"
                for number in range(ports)]
        words = rig.command(self.machine, image=image, directory=self.dir, config=config,
                            initrd=initrd, append=append, nics=nics, nic_options=nic_options,
                            qemu=qemu)
        if frozen:
            words += ["-S", "-gdb", f"unix:{self.dir}/gdb,server=on,wait=off"]
        self.command = [*words, *extra]
        self.marks = 0
        self._qmp = self._gdb = None
        self.booted = False
        self.process = None
        self.pass_fds = ()
        self.console = Console(self.dir / "console", alive=self.alive)

    # ---- life ----

    def start(self):
        with open(self.dir / "qemu.log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=die_with_parent,
                                            pass_fds=self.pass_fds)
        Router.living.append(self)
        try:
            self.console.connect()
        except ConsoleError as error:
            raise RouterError(f"{error}: {self.qemu_words()}") from None
        return self

    def boot(self):
        """Starts, if that is still to be done, and waits for the first prompt."""
        if not self.process:
            self.start()
        if not self.booted:
            self.console.wait_prompt(BOOT_LIMIT_S)
            self.booted = True
        return self

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def qemu_words(self):
        return rig.qemu_words(self.dir / "qemu.log")

    @property
    def qmp(self):
        if not self._qmp:
            self._qmp = Qmp(self.dir / "qmp")
        return self._qmp

    @property
    def gdb(self):
        if not self._gdb:
            self._gdb = Gdb(self.dir / "gdb")
        return self._gdb

    def thaw(self):
        """A frozen machine runs."""
        self.gdb.detach()
        return self

    def monitor(self, line):
        """What QEMU's monitor answers."""
        return self.qmp.run("human-monitor-command", **{"command-line": line})

    def _cpu_stats(self):
        """(state, clock ticks used) of each host thread that runs a CPU of the guest."""
        threads = {cpu["thread-id"] for cpu in self.qmp.run("query-cpus-fast")}
        for thread in threads:
            stat = Path(f"/proc/{self.process.pid}/task/{thread}/stat").read_text(encoding="ascii")
            state, *words = stat.rpartition(")")[2].split()
            yield state, sum(int(word) for word in words[10:12])

    def cpu_seconds(self):
        """Host CPU time that the guest's CPUs have used so far."""
        return sum(ticks for _, ticks in self._cpu_stats()) / os.sysconf("SC_CLK_TCK")

    def idle(self, seconds=1):
        """Whether the guest's CPUs wait, and not for the host, the whole time long."""
        before, end = self.cpu_seconds(), time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if any(state == "R" for state, _ in self._cpu_stats()):
                return False
            self.collect(min(left, seconds / 10))
        return self.cpu_seconds() - before <= 0.02 * seconds

    def wait_exit(self, timeout_s=LIMIT_S):
        """QEMU's status once it has ended by itself; what the console said is taken in."""
        end = time.monotonic() + timeout_s
        while self.console.pump(0.2):
            if time.monotonic() > end:
                raise RouterError(f"still running after {timeout_s} s\n{self.console.tail()}")
        return self.process.wait(10)

    def close(self):
        if self in Router.living:
            Router.living.remove(self)
        if self.alive():
            self.process.kill()
        if self.process:
            self.process.wait()
        for thing in (self.console, self._qmp, self._gdb, *self.links):
            if thing:
                thing.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self if self.process else self.boot()
        except BaseException:
            self._report()
            self.close()
            raise

    def __exit__(self, *exc):
        if exc[0]:
            self._report()
        self.close()

    def _report(self):
        print(f"---- console of {' '.join(self.command[:7])}\n{self.console.tail()}")
        if self.qemu_words():
            print(f"---- QEMU says\n{self.qemu_words()}")

    # ---- frames ----

    def pump(self, timeout_s):
        """Takes in frames and console output, at most until something came."""
        ready, _, _ = select.select([self.console, *self.links], [], [], timeout_s)
        for thing in ready:
            if thing is self.console:
                if not thing.pump():
                    raise RouterError(f"QEMU has ended\n{self.qemu_words()}\n{thing.tail()}")
            else:
                thing.receive()

    def wait(self, condition, timeout_s=LIMIT_S, what="what was waited for"):
        """Until condition() is true, which is returned."""
        end = time.monotonic() + timeout_s
        while True:
            result = condition()
            if result:
                return result
            left = end - time.monotonic()
            if left <= 0:
                raise RouterError(f"{what} did not come in {timeout_s} s\n{self._came()}")
            self.pump(min(left, 0.2))

    def collect(self, seconds):
        """Takes in whatever comes for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)

    def _came(self):
        return "\n".join(f"port {link.number} got\n" + fr.dump(frame)
                         for link in self.links for frame in [*link.frames, *link.arps]) \
            + "\n" + self.console.tail()

    def _marks(self, port):
        """Frames whose way through the router ends behind everything sent before: {frame: seen}."""
        self.marks += 1
        data = struct.pack(">I", self.marks) + b"mark"
        yield port, fr.echo(port, identifier=MARK_ID, sequence=self.marks & 0xffff, data=data)
        if len(self.links) > 1:
            yield 1 - port, fr.udp(port, dport=MARK_PORT, data=data)

    def exchange(self, *frames, port=0, timeout_s=LIMIT_S):
        """
        Sends frames into a port and returns what each port sent because of them, ARP aside:
        [[frames of port 0], [frames of port 1]]. Complete: an echo request and a packet to the
        other host are sent behind them, and their way through the router is the same.
        """
        for link in self.links:
            link.clear()
        for at in range(0, max(1, len(frames)), BATCH):
            self.links[port].send(*frames[at:at + BATCH])
            self._wait_marks(port, timeout_s)
        return [list(link.frames) for link in self.links]

    def _wait_marks(self, port, timeout_s):
        """Until all that was sent into a port has passed the router."""
        missing = []
        for out, mark in self._marks(port):
            self.links[port].send(mark)
            missing.append((out, mark[fr.ETH + 28:]))
        self.wait(lambda: all(self._find(out, data) for out, data in missing), timeout_s,
                  "the frame sent behind those of the test")
        for out, data in missing:
            self.links[out].frames.remove(self._find(out, data))

    def _find(self, out, data):
        return next((frame for frame in self.links[out].frames
                     if frame[fr.ETH + 28:fr.ETH + 28 + len(data)] == data), None)

    def warm(self):
        """Both hosts known to the router, the router's own announcements out of the way."""
        for port in range(min(2, len(self.links))):
            self.exchange(port=port)
        return self

    # ---- counters ----

    def counters(self):
        return self.console.counters()

    def drops(self):
        """{(port, reason): count}"""
        return {(port, name[5:]): value for port, values in self.counters().items()
                for name, value in values.items() if name.startswith("drop.")}

    def dropped(self, frame, reason, *, port=0):
        """Asserts that a frame vanishes, with nothing sent, and is counted once, and where."""
        before = self.drops()
        out = self.exchange(frame, port=port)
        assert out == [[] for _ in self.links], \
            "nothing may be sent because of\n" + fr.dump(frame) + "\nbut was\n" + self._came()
        gained = {key: value - before.get(key, 0) for key, value in self.drops().items()
                  if value != before.get(key, 0)}
        assert gained == {(f"eth{port}", reason): 1}, \
            f"counted {gained}, and not once as {reason}, was\n{fr.dump(frame)}"

    def error(self, frame, kind, code, *, port=0, **more):
        """Asserts that a frame is answered by exactly one ICMP error, and not forwarded."""
        out = self.exchange(frame, port=port)
        others = [out[i] for i in range(len(out)) if i != port]
        assert not any(others) and len(out[port]) == 1, \
            "one ICMP error wanted about\n" + fr.dump(frame) + "\ncame\n" + self._came()
        fr.assert_error(out[port][0], frame, kind, code, port=port, **more)

    def passes(self, frame, *, port=0, dst_mac=None):
        """Asserts that a frame is forwarded as it must, and nothing else is sent."""
        out = self.exchange(frame, port=port)
        assert not out[port], "unexpected at the port it came in\n" + self._came()
        fr.assert_frames(out[1 - port], [fr.forwarded(frame, 1 - port, dst_mac=dst_mac)])

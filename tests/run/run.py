#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`make run`: the router in QEMU between two Linux hosts, a ping across, then a live table of ports
and counters until Ctrl-C.

From the environment: PLATFORM, APP, DEBUG, LLVM (which image), ONCE=1 (end with status 0 after ten
replies), CONSOLE=1 (attach this terminal to the router's console; Ctrl-] leaves). Status 1 and one
line of reason when nothing gets through in 30 s; the console's text is then kept under out/.
"""
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
import tty
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests/run"), str(TOP / "tests/system")]

import isolate                                          # noqa: E402
from rig import machine as rig                          # noqa: E402
from rig.console import PROMPT, Console, ConsoleError   # noqa: E402
from rig.hosts import Host, HostError, tun_problem      # noqa: E402

LIMIT_S = 30
REPLIES_WANTED = 10
PROMPT_LIMIT_S = 5      # an application without a prompt is pinged after this time
TRANSCRIPT_BYTES = 256 * 1024
TABLE_EVERY_S = 1
PLAIN_TABLE_EVERY_S = 5  # where the table cannot be overwritten
LEAVE_KEY = b"\x1d"
REPLY = re.compile(r"icmp_seq=(\d+) ttl=(\d+) time=([\d.]+) ms")
COUNTERS = re.compile(rb"(?:^|\n)(\w+) (up|down|off) (rx_packets=[^\r\n]*)[\r\n]")


class Failure(Exception):
    """One line of reason."""


class PoweredOff(Failure):
    """The router ended QEMU, as `poweroff` does."""


def flag(name):
    return os.environ.get(name, "") not in ("", "0")


def image_path():
    platform, app = os.environ.get("PLATFORM", "arm64"), os.environ.get("APP", "router")
    if platform not in rig.MACHINES:
        raise Failure(f"PLATFORM={platform}: there is no such machine")
    variant = ("-debug" if flag("DEBUG") else "") + ("-llvm" if flag("LLVM") else "")
    image = TOP / "out" / (platform + variant) / f"{app}.img"
    if not image.exists():
        raise Failure(f"{image.relative_to(TOP)} is not there: run `make` first")
    return rig.MACHINES[platform], image


class Ping:
    """ping(8) from the first host to the second, and what it has said so far."""

    def __init__(self, host, target):
        self.process = host.popen(["ping", "-n", "-O", "-i", "0.2", target],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, start_new_session=True)
        self.sent = self.received = 0
        self.times = []
        self.last = ""
        self.rest = b""

    def fileno(self):
        return self.process.stdout.fileno()

    def read(self):
        new = os.read(self.fileno(), 65536)
        if not new:
            raise Failure(f"ping ended: {self.last}")
        self.rest += new
        *lines, self.rest = self.rest.split(b"\n")
        for line in lines:
            self._line(line.decode(errors="replace").strip())

    def _line(self, line):
        self.last = line or self.last
        sequence = re.search(r"icmp_seq=(\d+)", line)
        if sequence:
            self.sent = max(self.sent, int(sequence.group(1)))
        reply = REPLY.search(line)
        if reply:
            self.received += 1
            self.times = self.times[-999:] + [float(reply.group(3))]

    def sum(self):
        if not self.received:
            return f"no reply yet   {self.last}"
        lost = max(self.sent - self.received, 0)
        middle = sorted(self.times)[len(self.times) // 2]
        percent = 100 * lost / self.sent
        return (f"{self.received} replies, {lost} lost ({percent:.0f} %), round trip "
                f"{min(self.times):.2f} / {middle:.2f} / {max(self.times):.2f} ms (min/median/max)")


class Router:
    """QEMU with the image, on the hosts' taps."""

    def __init__(self, machine, image, hosts):
        directory = isolate.PRIVATE_DIR
        self.image = image
        nics = [f"tap,fd={host.tap},vhost=off" for host in hosts]
        self.transcript = b""
        self.log = Path(directory) / "qemu.log"
        with open(self.log, "wb") as log:
            self.started = time.monotonic()
            self.process = subprocess.Popen(
                rig.command(machine, image=image, directory=directory, config=rig.CONFIG,
                            nics=nics),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=[host.tap for host in hosts])
        self.console = Console(f"{directory}/console", alive=self.alive, on_bytes=self._record)
        try:
            self.console.connect(LIMIT_S)
        except ConsoleError:
            self.check()
            raise Failure(f"QEMU did not start in {LIMIT_S} s") from None

    def _record(self, data):
        self.transcript = (self.transcript + data)[-TRANSCRIPT_BYTES:]

    def alive(self):
        return self.process.poll() is None

    def age(self):
        return time.monotonic() - self.started

    def check(self):
        if not self.alive():
            words = rig.qemu_words(self.log).splitlines()
            if not words and not self.process.returncode:
                raise PoweredOff("the router switched itself off")
            reason = words[-1] if words else "without a message"
            raise Failure(f"QEMU ended with status {self.process.returncode}: {reason}")

    def wait(self, *files, timeout_s):
        """Those of `files` that have something; what the console says is taken in on the way."""
        ready, _, _ = select.select([self.console, *files], [], [], timeout_s)
        if self.console in ready and not self.console.pump():
            self.process.wait()
            self.check()
        return ready

    def keep_transcript(self):
        """Where the console's text can be read afterwards; None if there is none."""
        if not self.transcript:
            return None
        stamp = f"{time.strftime('%H%M%S')}-{os.urandom(2).hex()}"
        path = self.image.parent / f"run-console-{stamp}.log"
        path.write_bytes(self.transcript)
        return path.relative_to(TOP)


class Table:
    """Ports, counters and the ping; drawn over the last one where the output is a terminal."""

    def __init__(self):
        self.live = sys.stdout.isatty()
        self.every_s = TABLE_EVERY_S if self.live else PLAIN_TABLE_EVERY_S
        self.ports = {}
        self.height = 0

    def take(self, console):
        """Reads the answers to `show counters` out of what the console said, and forgets it."""
        end = console.data.rfind(b"\n") + 1
        for name, state, rest in COUNTERS.findall(console.data[:end]):
            counters = dict(word.split("=", 1) for word in rest.decode().split())
            self.ports[name.decode()] = (state.decode(), counters)
        console.data = console.data[end:]

    def lines(self, ping):
        yield f"  {'port':<6}{'link':<6}{'address':<18}{'received':>12}{'sent':>12}{'dropped':>10}"
        for number, (name, (state, counters)) in enumerate(sorted(self.ports.items())):
            address = rig.PORT_IPS[number] + "/24" if number < len(rig.PORT_IPS) else ""
            yield (f"  {name:<6}{state:<6}{address:<18}{counters.get('rx_packets', '-'):>12}"
                   f"{counters.get('tx_packets', '-'):>12}{counters.get('drops', '-'):>10}")
            reasons = ", ".join(f"{key[5:]} {value}" for key, value in counters.items()
                                if key.startswith("drop."))
            if reasons:
                yield f"        dropped: {reasons}"
        yield f"  ping  {ping.sum()}"

    def draw(self, ping):
        lines = list(self.lines(ping))
        if self.live:
            up = f"\x1b[{self.height}A" if self.height else ""
            width = shutil.get_terminal_size().columns - 1
            print(up + "".join(f"\r{line[:width]}\x1b[K\n" for line in lines) + "\x1b[J", end="")
        else:
            print("\n".join(lines))
        self.height = len(lines)
        sys.stdout.flush()


def wait_booted(router):
    """Until there is a prompt. An application that has none gets some seconds instead."""
    while not PROMPT.search(router.console.data) and router.age() < PROMPT_LIMIT_S:
        router.wait(timeout_s=0.1)
    print(f"  router up after {router.age():.1f} s", flush=True)


def wait_reply(router, ping):
    while not ping.received:
        if ping in router.wait(ping, timeout_s=0.1):
            ping.read()
        if router.age() > LIMIT_S:
            raise Failure(f"no ping came through in {LIMIT_S} s")
    print(f"  first reply after {router.age():.1f} s\n", flush=True)


def run_table(router, ping, once):
    """The live table. Ends after ten replies when asked to, else by KeyboardInterrupt."""
    table, start, draw_at, ask_at = Table(), time.monotonic(), 0, 0
    while not (once and ping.received >= REPLIES_WANTED):
        if ping in router.wait(ping, timeout_s=0.1):
            ping.read()
        table.take(router.console)
        now = time.monotonic()
        if now >= ask_at:
            router.console.send("show counters\r")
            ask_at = now + TABLE_EVERY_S
        complete = len(table.ports) == len(rig.PORT_IPS) or now > start + PROMPT_LIMIT_S
        if complete and now >= draw_at and not (once and not table.live):
            table.draw(ping)
            draw_at = now + table.every_s
        if once and router.age() > 2 * LIMIT_S:
            raise Failure(f"only {ping.received} of {REPLIES_WANTED} replies in {2 * LIMIT_S} s")
    return table


def draw_last(router, ping, table):
    """The table as it is now, for a run that ends."""
    router.console.send("show counters\r")
    table.ports.clear()
    end = time.monotonic() + 2
    while len(table.ports) < len(rig.PORT_IPS) and time.monotonic() < end:
        router.wait(timeout_s=0.1)
        table.take(router.console)
    table.draw(ping)


def attach(router, ping):
    """The terminal is the router's console until Ctrl-]."""
    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    router.console.on_bytes = lambda data: os.write(sys.stdout.fileno(), data)
    try:
        tty.setraw(stdin, termios.TCSADRAIN)    # which keeps what was typed ahead
        os.write(sys.stdout.fileno(), router.transcript)
        while router.alive():
            ready = router.wait(stdin, ping, timeout_s=1)
            router.console.data = b""
            if ping in ready:
                ping.read()
            if stdin in ready:
                typed = os.read(stdin, 1024)
                router.console.send(typed.split(LEAVE_KEY)[0])
                if not typed or LEAVE_KEY in typed:
                    return
    finally:
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
        print()


PICTURE = """\
  host 192.0.2.2 -- eth0 192.0.2.1 [router] eth1 198.51.100.1 -- host 198.51.100.2"""


def console_session(router, ping):
    print("  the console is attached: `?` lists its commands, Ctrl-] leaves\n", flush=True)
    try:
        attach(router, ping)
    except PoweredOff:
        print("  the router switched itself off")
    print(f"  ping  {ping.sum()}")
    return 0


def table_session(router, ping, once):
    """Ctrl-C is how the table is meant to end: status 0, if there is anything to show."""
    try:
        wait_reply(router, ping)
        draw_last(router, ping, run_table(router, ping, once))
    except KeyboardInterrupt:
        print()
        if not ping.received:
            return 130
    print("\nNext: `make run CONSOLE=1` attaches to the router's console (docs/console.md).")
    return 0


def session(machine, image, once):
    """All between start and end, in the private namespaces. The exit status."""
    print(f"make run: {image.relative_to(TOP)} on {machine.words}\n{PICTURE}", flush=True)
    hosts = [Host(f"host{i}", rig.HOST_IPS[i], rig.PORT_IPS[i], rig.HOST_MACS[i]) for i in (0, 1)]
    router = Router(machine, image, hosts)
    try:
        wait_booted(router)
        ping = Ping(hosts[0], rig.HOST_IPS[1])
        if flag("CONSOLE"):
            return console_session(router, ping)
        return table_session(router, ping, once)
    except Failure as failure:
        kept = router.keep_transcript()
        raise Failure(f"{failure}" + (f" (console: {kept})" if kept else "")) from None


def interrupt_once(number, frame):
    """Ctrl-C reaches us twice, from the terminal and from the first process."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def end_on_signal(number, frame):
    """Process 1 just ends: the kernel takes all others with it."""
    os._exit(128 + number)


def main():
    try:
        machine, image = image_path()
        problem = tun_problem()
        if problem:
            raise Failure(problem)
        if flag("CONSOLE") and not sys.stdin.isatty():
            raise Failure("CONSOLE=1 needs a terminal")
        isolate.enter()
        signal.signal(signal.SIGINT, interrupt_once)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, end_on_signal)
        return session(machine, image, flag("ONCE"))
    except (Failure, HostError, isolate.IsolationError) as failure:
        print(f"make run: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

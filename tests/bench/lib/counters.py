# SPDX-License-Identifier: BSD-2-Clause
#
# The plugin seen from here: its parameter file, and its counters (layout: plugin/shm.h).

import mmap
import os
import struct
import time

MAGIC = 0x736c75696365636f
VERSION = 3
HEAD_BYTES = 4096
BURSTS = 514
HEAD_FIELDS = ["magic", "version", "cpus", "funcs", "cpu_bytes", "request", "ack", "hold_us",
               "start_ns", "marks"]
MARK_FIELDS = ["pc", "hits", "first_insns", "first_ns", "last_insns", "last_ns"]
CPU_FIELDS = ["insns", "idles", "idle_insns", "turns", "busy_turns", "empty_turns", "packets",
              "busy_insns", "empty_insns", "blind_turns"]
ACK_TIMEOUT_S = 5
# The function whose turns are counted, and the variable (of its type the first member) that it
# stores the number of packets to, once a turn.
POLLED = "fastpath_poll"
RESULT = "fastpath_turn"


class PluginError(Exception):
    """The plugin did not come up, or does not answer."""


def write_params(path, shm, *, exact=False, hold_us=0, code=None, polled=False,
                 turns=(POLLED, RESULT), marks=(), profile=(), idles=()):
    """
    `code` is an elf.Code, or None for a guest of which we have no ELF file; `polled`: whether
    turns are counted, which takes the symbols `turns`, a function and its variable; `marks` and
    `idles` addresses (those of `code` come by themselves); `profile` ranges (start, end, name).
    """
    lines = [f"shm {shm}", f"hold {hold_us}"]
    if exact:
        lines.append("exact")
    if code and polled:
        start, end = code.elf.function(turns[0])
        lines.append(f"polled {start:#x} {end:#x}")
        lines.append(f"result {code.elf.symbol(turns[1]).addr:#x}")
    idles = [(pc, pc) for pc in idles] + (code.idles() if code else [])
    lines += [f"idle {pc:#x}\npause {pause:#x}" for pc, pause in idles]
    lines += [f"mark {pc:#x}" for pc in marks]
    lines += [f"func {start:#x} {end:#x}" for start, end, _ in profile]
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


class Snapshot:
    """Counters of one moment; a difference of two is a Snapshot too."""

    def __init__(self, fields, burst_turns, burst_insns, profile):
        self.fields = fields
        self.burst_turns = burst_turns
        self.burst_insns = burst_insns
        self.profile = profile  # {"all" | "busy" | "empty": [instructions of each function]}

    def __getattr__(self, name):
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(name) from None

    def __sub__(self, old):
        return Snapshot(
            {name: value - old.fields[name] for name, value in self.fields.items()},
            [a - b for a, b in zip(self.burst_turns, old.burst_turns)],
            [a - b for a, b in zip(self.burst_insns, old.burst_insns)],
            {part: [a - b for a, b in zip(values, old.profile[part])]
             for part, values in self.profile.items()})


class Counters:
    """Maps the counter file of a running plugin."""

    def __init__(self, path, timeout_s=10):
        end = time.monotonic() + timeout_s
        while True:
            try:
                with open(path, "r+b") as file:
                    self.map = mmap.mmap(file.fileno(), 0)
                if self._head("magic") == MAGIC:
                    break
                self.map.close()
            except (OSError, ValueError):
                pass
            if time.monotonic() > end:
                raise PluginError("the plugin has not made its counter file")
            time.sleep(0.01)
        if self._head("version") != VERSION:
            raise PluginError("plugin and lib/counters.py disagree about the counter file")

    def _at(self, offset):
        return struct.unpack_from("=Q", self.map, offset)[0]

    def _head(self, name):
        return self._at(8 * HEAD_FIELDS.index(name))

    def _set(self, name, value):
        struct.pack_into("=Q", self.map, 8 * HEAD_FIELDS.index(name), value)

    def hold(self, microseconds):
        self._set("hold_us", microseconds)

    def start_ns(self):
        return self._head("start_ns")

    def sync(self):
        """Has the plugin bring its counters to the file."""
        wanted = self._head("request") + 1
        self._set("request", wanted)
        end = time.monotonic() + ACK_TIMEOUT_S
        while self._head("ack") != wanted:
            if time.monotonic() > end:
                raise PluginError("the plugin does not answer")
            time.sleep(0.0001)

    def insns(self, cpu=0):
        self.sync()
        return self._at(HEAD_BYTES + cpu * self._head("cpu_bytes"))

    def snapshot(self, cpu=0):
        self.sync()
        at = HEAD_BYTES + cpu * self._head("cpu_bytes")
        fields = struct.unpack_from(f"={len(CPU_FIELDS)}Q", self.map, at)
        at += 8 * len(CPU_FIELDS)
        turns = struct.unpack_from(f"={BURSTS}Q", self.map, at)
        insns = struct.unpack_from(f"={BURSTS}Q", self.map, at + 8 * BURSTS)
        at += 16 * BURSTS
        funcs = self._head("funcs")
        parts = {part: struct.unpack_from(f"={funcs}Q", self.map, at + i * 8 * funcs)
                 for i, part in enumerate(("all", "busy", "empty"))}
        return Snapshot(dict(zip(CPU_FIELDS, fields)), turns, insns, parts)

    def mark(self, index):
        """{field: value} of one mark, or None while it has not been reached."""
        at = 8 * (len(HEAD_FIELDS) + index * len(MARK_FIELDS))
        values = struct.unpack_from(f"={len(MARK_FIELDS)}Q", self.map, at)
        mark = dict(zip(MARK_FIELDS, values))
        return mark if mark["hits"] else None

    def settle(self, quiet_s=0.01, limit_s=0.5, cpu=0):
        """Waits until the vCPU sleeps (executes nothing for quiet_s); a polling one never does."""
        end = time.monotonic() + limit_s
        last = self.insns(cpu)
        while time.monotonic() < end:
            time.sleep(quiet_s)
            now = self.insns(cpu)
            if now == last:
                return True
            last = now
        return False


def remove(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass

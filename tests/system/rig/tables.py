# SPDX-License-Identifier: BSD-2-Clause
#
# Page tables of a machine that stands still, walked from outside: the root from the CPU's register,
# tables from physical memory through the debugger. Works on whatever the tables say, not on what
# the image meant.
#
# Arm ARM D8.3 (48-bit, 4 KiB granule), LoongArch Reference Manual vol. 1, 5.4.5 and 7.5.7.

import re
import struct
from dataclasses import dataclass

SHIFTS = (39, 30, 21, 12)
ADDRESS = 0x0000fffffffff000


@dataclass(frozen=True)
class Leaf:
    va: int
    pa: int
    size: int
    writable: bool
    executable: bool


def system_registers(gdb):
    """{name: number} of what the debugger calls system registers."""
    text, at = "", 0
    while True:
        answer = gdb.run(f"qXfer:features:read:system-registers.xml:{at:x},400")
        text += answer[1:]
        at += len(answer) - 1
        if answer[0] == "l":
            break
    numbers = {}
    for words in re.findall(r"<reg ([^>]*)/>", text):
        fields = dict(re.findall(r'(\w+)="([^"]*)"', words))
        if "regnum" in fields:
            numbers[fields["name"]] = int(fields["regnum"])
    return numbers


def register(gdb, name):
    value = gdb.run(f"p{system_registers(gdb)[name]:x}")
    return int.from_bytes(bytes.fromhex(value), "little")


def arm64_leaf(entry, level, above):
    """(address of the next table or None, writable, executable); None: not mapped."""
    if not entry & 1:
        return None
    read_only, never_executed = entry >> 7 & 1, entry >> 53 & 1
    if level < 3 and entry & 2:     # what a table forbids holds for all below it
        return entry & ADDRESS, above[0] and not entry >> 62 & 1, above[1] and not entry >> 59 & 1
    writable = not read_only or bool(entry >> 51 & 1)   # DBM: the CPU may make it writable
    return None, above[0] and writable, above[1] and not never_executed


def loongarch64_leaf(entry, level, above):
    del above
    if level < 3:
        return (entry & ADDRESS, True, True) if entry else None
    if not entry & 1:
        return None
    return None, bool(entry & (2 | 1 << 8)), not entry >> 62 & 1


DECODE = {"arm64": arm64_leaf, "loongarch64": loongarch64_leaf}


def walk(gdb, platform, root, level=0, base=0xffff << 48, above=(True, True)):
    """All leaves, in ascending order."""
    table = struct.unpack("<512Q", gdb.read(root & ADDRESS, 4096))
    for index, entry in enumerate(table):
        found = DECODE[platform](entry, level, above) if entry else None
        if not found:
            continue
        following, writable, executable = found
        va = base + (index << SHIFTS[level])
        if following is None:
            size = 1 << SHIFTS[level]
            yield Leaf(va, entry & ADDRESS & -size, size, writable, executable)
        else:
            yield from walk(gdb, platform, following, level + 1, va, (writable, executable))


def runs(leaves):
    """[(first, behind the last)] of addresses without a gap."""
    found = []
    for leaf in leaves:
        if found and found[-1][1] == leaf.va:
            found[-1] = (found[-1][0], leaf.va + leaf.size)
        else:
            found.append((leaf.va, leaf.va + leaf.size))
    return found

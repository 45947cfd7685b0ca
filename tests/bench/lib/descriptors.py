# SPDX-License-Identifier: BSD-2-Clause
#
# Reads the page descriptors of a running image by QEMU's debugger port: how many there are, and
# how much of the RAM that they describe is in use. The image's own figures play no part.
#
# Relies on: mm/page.h (layout of struct page, what a kind means), descriptors being mapped for
# whole chunks, the largest blocks of the page allocator.

import struct
from dataclasses import dataclass

from rig.gdb import GdbError

PAGE_BYTES = 32         # of a descriptor
KIND_AT = 30            # uint8_t kind, order
FREE, CACHED = 1, 2     # enum page_kind
CHUNK_ORDER = 10


class DescriptorError(Exception):
    """What was read cannot be page descriptors."""


@dataclass
class Descriptors:
    frame_bytes: int
    frames: int     # that have a descriptor
    free: int       # of these

    @property
    def bytes(self):
        return self.frames * PAGE_BYTES

    @property
    def used_bytes(self):
        return (self.frames - self.free) * self.frame_bytes

    @property
    def percent(self):
        return 100 * self.bytes / self.used_bytes


def free_frames(table):
    """
    How many frames of a chunk are free, by its descriptors. A free block is aligned to its size
    and has nothing else in it: where that is not so, this is no array of descriptors.
    """
    heads = [struct.unpack_from("<BB", table, at)
             for at in range(KIND_AT, len(table), PAGE_BYTES)]
    at = free = 0
    while at < len(heads):
        kind, order = heads[at]
        size = 1 << order if kind == FREE else 1
        if at % size or any(kind for kind, _ in heads[at + 1:at + size]):
            raise DescriptorError(f"frame {at} of a chunk: a free block of order {order} cannot be")
        free += size if kind in (FREE, CACHED) else 0
        at += size
    return free


def read(machine, gdb, ram_end):
    """Looks at each chunk of [0, ram_end); the machine stands still meanwhile."""
    base, shift = machine.layout("VMEMMAP_BASE"), machine.layout("PAGE_SHIFT")
    chunk = 1 << CHUNK_ORDER
    found = Descriptors(1 << shift, 0, 0)
    for frame in range(0, ram_end >> shift, chunk):
        try:
            table = gdb.read(base + frame * PAGE_BYTES, chunk * PAGE_BYTES)
        except GdbError:
            continue
        found.frames += chunk
        found.free += free_frames(table)
    if not found.frames:
        raise DescriptorError("none is mapped")
    return found

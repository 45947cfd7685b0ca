# SPDX-License-Identifier: BSD-2-Clause
#
# Where memory begins and ends, seen from the debugger and QEMU's monitor: what the page tables map
# and what not, that nothing is both writable and executable, that stacks and areas stand apart, and
# that page descriptors exist for what is in use, and for nothing else.

import re
import sys

import pytest

from rig import frames as fr
from rig import tables
from rig.machine import TOP
from rig.router import IMAGE, MACHINE, PLATFORM, Router

sys.path.insert(0, str(TOP / "tests/bench"))
from lib.elf import Elf     # noqa: E402

pytestmark = pytest.mark.skipif(
    PLATFORM == "loongson3", reason="the tables of loongson3 are the image's own: its CPU has none")

PAGE = 4096
CHUNK = 4 << 20
DESCRIPTOR = 32
RAM = {"arm64": 0x40000000, "loongarch64": 0}.get(PLATFORM)
LINEAR = 0xffff << 48           # arm64; elsewhere it is a window without tables
VMALLOC = range(0xffff8000 << 32, 0xffffc000 << 32)
VMEMMAP = range(0xfffffd00 << 32, 0xfffffe00 << 32)
IMAGE_BASE = 0xffffffff80000000
SHARE = 0.016                   # of the memory in use, at most: page descriptors


class Seen:
    """A router that has worked, and its page tables."""

    def __init__(self, router):
        self.router = router
        self.threads = router.console.command("show threads")
        self.size = router.qmp.run("query-memory-size-summary")["base-memory"]
        gdb = router.gdb                # stops the machine
        gdb.run("Qqemu.PhyMemMode:1")
        if PLATFORM == "arm64":
            self.root = tables.register(gdb, "TTBR1_EL1")
        else:
            text = router.monitor("info registers")
            self.root = int(re.search(r"PGDH[ =]+(\w+)", text).group(1), 16)
        self.leaves = list(tables.walk(gdb, PLATFORM, self.root))

    def inside(self, window):
        return [leaf for leaf in self.leaves if leaf.va in window]

    def physical(self, address):
        """Where QEMU's own walk leads; None if nowhere."""
        match = re.match(r"gpa: 0x([0-9a-f]+)", self.router.monitor(f"gva2gpa {address:#x}"))
        return int(match.group(1), 16) if match else None

    def used_pages(self, base, size):
        """Numbers of the pages of RAM in which there is anything but zeros."""
        path = self.router.dir / "ram"
        self.router.qmp.run("pmemsave", val=base, size=size, filename=str(path))
        zeros, found = bytes(PAGE), []
        with open(path, "rb") as file:
            for number in range(base // PAGE, (base + size) // PAGE):
                if file.read(PAGE) != zeros:
                    found.append(number)
        path.unlink()
        return found


@pytest.fixture(scope="module")
def seen():
    with Router(frozen=True).start().thaw() as router:
        router.boot().warm()
        router._gdb = None      # another visit: the machine stops again
        yield Seen(router)


@pytest.fixture(scope="module")
def elf():
    return Elf(IMAGE.with_suffix(".elf"))


def test_walk_agrees_with_qemu(seen):
    """What the walk found is what QEMU itself finds, at both ends of each kind of range."""
    runs = tables.runs(seen.leaves)
    assert len(runs) >= 4
    for leaf in (seen.leaves[0], seen.leaves[-1], *seen.leaves[::max(1, len(seen.leaves) // 50)]):
        assert seen.physical(leaf.va) == leaf.pa, leaf
        assert seen.physical(leaf.va + leaf.size - 1) == leaf.pa + leaf.size - 1, leaf
    for _, end in runs[:-1]:
        assert seen.physical(end) is None, hex(end)


def test_nothing_is_writable_and_executable(seen):
    assert not [leaf for leaf in seen.leaves if leaf.writable and leaf.executable]
    assert any(leaf.executable for leaf in seen.leaves)
    assert any(leaf.writable for leaf in seen.leaves)


def test_only_text_is_executable(seen, elf):
    start, end = (elf.symbol(name).addr for name in ("__text_start", "__text_end"))
    executable = tables.runs(leaf for leaf in seen.leaves if leaf.executable)
    assert executable == [(start & -PAGE, (end + PAGE - 1) & -PAGE)]


@pytest.mark.skipif(PLATFORM != "arm64", reason="a linear map made of tables")
def test_linear_map_is_memory_and_nothing_else(seen):
    """From the first to the last byte of RAM, each where it should be; and not one byte beyond."""
    linear = [leaf for leaf in seen.leaves if leaf.va < VMALLOC.start]
    assert tables.runs(linear) == [(LINEAR + RAM, LINEAR + RAM + seen.size)]
    assert all(leaf.va - leaf.pa == LINEAR for leaf in linear)
    last = RAM + seen.size - 1
    assert seen.physical(LINEAR + RAM) == RAM and seen.physical(LINEAR + last) == last
    assert seen.physical(LINEAR + last + 1) is None and seen.physical(LINEAR + RAM - 1) is None


@pytest.mark.skipif(PLATFORM != "arm64", reason="a linear map made of tables")
def test_image_cannot_be_written_through_the_linear_map(seen, elf):
    """Text and rodata have no writable alias anywhere."""
    start, end = (elf.symbol(name).addr for name in ("__text_start", "__rodata_end"))
    at = seen.physical(start)
    aliases = [leaf for leaf in seen.leaves
               if leaf.pa < at + end - start and at < leaf.pa + leaf.size]
    assert len(tables.runs(aliases)) >= 2 and not any(leaf.writable for leaf in aliases)


def test_memory_has_one_writable_place(seen):
    """Areas of single pages and descriptors do not share pages."""
    writable = [leaf for leaf in seen.leaves if leaf.writable
                and (leaf.va in VMEMMAP or leaf.va in VMALLOC)
                and RAM <= leaf.pa < RAM + seen.size]
    pages = [leaf.pa + at for leaf in writable for at in range(0, leaf.size, PAGE)]
    assert len(pages) == len(set(pages)) > 20


def test_stacks_stand_alone(seen):
    """As many stretches of just a stack's size between holes as there are threads."""
    head, *rows = seen.threads.splitlines()
    end = head.index("Stack K") + len("Stack K")
    sizes = [int(row[:end].split()[-1]) << 10 for row in rows]
    own = [size for size in sizes if size]
    assert len(own) >= 3, seen.threads
    stretches = [end - start for start, end in tables.runs(seen.inside(VMALLOC))]
    for size in set(own):
        assert stretches.count(size) >= own.count(size), (size, own, stretches)


def test_stack_in_use_is_one_of_them(seen):
    """The processor's own, wherever it has been stopped: a hole below, and no byte of it shared."""
    text = seen.router.monitor("info registers")
    found = re.search(r"\bSP=([0-9a-f]+)" if PLATFORM == "arm64" else r"\br3\b[ =]+([0-9a-f]+)",
                      text)
    stack = int(found.group(1), 16)
    runs = [run for run in tables.runs(leaf for leaf in seen.leaves if leaf.writable)
            if run[0] <= stack <= run[1]]
    if PLATFORM == "arm64" or runs:
        assert len(runs) == 1 and seen.physical(runs[0][0] - 1) is None, hex(stack)


def test_descriptors_are_of_what_is_in_use(seen):
    """
    Pages with anything in them have descriptors, but for what was taken before there were any, at
    the end of memory; and descriptors are there only for chunks that are in use.
    """
    mapped = {(leaf.va + at - VMEMMAP.start) // DESCRIPTOR
              for leaf in seen.inside(VMEMMAP) for at in range(0, leaf.size, PAGE)}
    per_page = PAGE // DESCRIPTOR
    described = {number * PAGE // CHUNK for number in mapped}
    size = min(seen.size, 256 << 20)
    used = seen.used_pages(RAM, size)
    chunks = {number * PAGE // CHUNK for number in used}
    assert len(mapped) * per_page * PAGE == len(described) * CHUNK
    inside = {chunk for chunk in described if chunk * CHUNK < RAM + size}
    assert inside and inside <= chunks, (inside, chunks)
    bytes_of = len(mapped) * PAGE
    assert bytes_of <= SHARE * len(described) * CHUNK
    assert bytes_of <= SHARE * max(len(used) * PAGE, CHUNK * len(chunks)), (bytes_of, len(used))
    print(f"{bytes_of >> 10} KiB describe {len(described)} chunks; {len(used)} pages are in use")


def test_it_goes_on_afterwards(seen):
    """Last: the machine has only been looked at."""
    seen.router.gdb.run("Qqemu.PhyMemMode:0")
    seen.router.thaw()
    seen.router.passes(fr.udp())

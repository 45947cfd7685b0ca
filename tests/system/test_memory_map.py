# SPDX-License-Identifier: BSD-2-Clause
#
# What the image does with the memory it is told of, seen from outside: the test image writes every
# byte that its allocator can hand out, stops, and QEMU's memory is looked at. What is reserved has
# the contents that it was loaded with, what is not there for the allocator is still zero, and what
# lies right beside is written. On ARM64 with device trees of our own: QEMU's, edited.

import re
import subprocess
from pathlib import Path

import pytest

from rig import machine as rig
from rig.router import MACHINE, PLATFORM, Router
from test_boot import forwards

of_arm64 = pytest.mark.skipif(PLATFORM != "arm64", reason="QEMU takes a tree (-dtb) on ARM64 only")

GUEST = rig.TOP / f"out/{PLATFORM}/guest.img"
FILLED = b"\xa5"
KIB, MIB = 1 << 10, 1 << 20
# Where RAM begins that tests may look at, and how much follows in one piece with RAM_OPTION.
LINEAR = 0xffff000000000000
RAM = {"arm64": 0x40000000, "loongarch64": 0x80000000, "loongson3": 0x90000000}[PLATFORM]
RAM_OPTION, RAM_BYTES = {"arm64": ("512M", 512 * MIB), "loongarch64": ("512M", 256 * MIB),
                         "loongson3": ("512M", 256 * MIB)}[PLATFORM]
AREA = re.compile(r"memory: contiguous area at 0x(\w+), 0x(\w+) bytes")


class Filled:
    """A test image that has written all it has, and stands still."""

    def __init__(self, append="", extra=(), memory=RAM_OPTION):
        line = f"{append} loglevel=7 panic=-1 -- only fill"
        self.router = Router(image=GUEST, config=None, append=line, memory=memory, ports=0,
                             extra=[*extra, "-no-shutdown"])

    def __enter__(self):
        self.router.start()
        try:
            self.router.console.expect("guest: 1 passed, 0 failed", 60)
        except BaseException:
            self.router._report()
            self.router.close()
            raise
        return self

    def __exit__(self, *exc):
        self.router.__exit__(*exc)

    def read(self, address, size):
        """Physical memory."""
        path = self.router.dir / "memory"
        self.router.qmp.run("pmemsave", val=address, size=size, filename=str(path))
        return path.read_bytes()

    def is_filled(self, address, size=256 * KIB):
        """Whether there are pages that the allocator had; it keeps some for descriptors."""
        return FILLED * 4000 in self.read(address, size)

    def borders(self, address, size):
        """Whether the image has used both neighbours of a range: no byte there was set before."""
        return any(self.read(address - 256 * KIB, 256 * KIB)) and \
            any(self.read(address + size, 256 * KIB))

    def leads(self, address):
        """Whether the linear map shows this physical address."""
        answer = self.router.monitor(f"gva2gpa {LINEAR + address:#x}")
        assert answer.startswith("gpa:") or "Unmapped" in answer, answer
        return answer.startswith("gpa:")

    def area(self):
        """What the image says of its contiguous area: (base, size), or None."""
        match = AREA.search(self.router.console.text())
        return tuple(int(word, 16) for word in match.groups()) if match else None


def pattern(size, seed):
    return bytes((seed + i * 13 + (i >> 8)) & 0xff for i in range(4096)) * (size // 4096)


def loaded(directory, ranges):
    """QEMU's options that load a pattern to each (address, size)."""
    words = []
    for number, (address, size) in enumerate(ranges):
        path = directory / f"pattern{number}"
        path.write_bytes(pattern(size, number))
        words += ["-device", f"loader,file={path},addr={address:#x},force-raw=on"]
    return words


def tree(directory, nodes="", head="", drop=None, memory=RAM_OPTION, ports=0):
    """QEMU's options for its own tree with `nodes` added to the root and `drop` taken out."""
    blob, text, own = (directory / name for name in ("qemu.dtb", "edited.dts", "edited.dtb"))
    nics = [word for n in range(ports) for word in ("-device", f"virtio-net-pci,id=x{n},romfile=")]
    subprocess.run([MACHINE.qemu, "-M", f"{MACHINE.machine},dumpdtb={blob}", "-cpu", MACHINE.cpu,
                    "-m", memory, "-nodefaults", "-display", "none", *nics], check=True,
                   capture_output=True)
    source = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", blob], check=True,
                            capture_output=True, text=True).stdout
    if drop:
        source, count = re.subn(drop, "", source)
        assert count, f"QEMU's tree has no {drop}"
    source = source.replace("/dts-v1/;", f"/dts-v1/;\n{head}", 1)
    end = source.rindex("};")
    text.write_text(source[:end] + nodes + source[end:], encoding="ascii")
    subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", own, text], check=True,
                   capture_output=True)
    return ["-dtb", str(own)]


def reserved(*nodes):
    """/reserved-memory with these nodes, which have addresses and sizes of two cells."""
    return ("reserved-memory {\n#address-cells = <2>;\n#size-cells = <2>;\nranges;\n"
            + "\n".join(nodes) + "\n};\n")


def reg(*ranges):
    cells = " ".join(f"{a >> 32:#x} {a & 0xffffffff:#x} {s >> 32:#x} {s & 0xffffffff:#x}"
                     for a, s in ranges)
    return f"reg = <{cells}>;"


# ---- Trees -----------------------------------------------------------------------------------

HEADER = (0x44000000, 8 * MIB)
FIRST, SECOND = (0x46101000, 64 * KIB), (0x47000000, 8 * MIB)
NO_MAP = (0x50003000, 6 * MIB + 8 * KIB)
OFF = (0x54000000, 4 * MIB)


@of_arm64
def test_reserved_memory_keeps_its_contents(tmp_path):
    """Header list, a node with two ranges, one that is not even mapped; a disabled one is free."""
    ranges = [HEADER, FIRST, SECOND, NO_MAP]
    extra = tree(tmp_path, head=f"/memreserve/ {HEADER[0]:#x} {HEADER[1]:#x};",
                 nodes=reserved(f"two@46101000 {{ {reg(FIRST, SECOND)} }};",
                                f"hidden@50003000 {{ {reg(NO_MAP)} no-map; }};",
                                f"off@54000000 {{ {reg(OFF)} status = \"disabled\"; }};"))
    with Filled(extra=extra + loaded(tmp_path, ranges)) as guest:
        for number, (address, size) in enumerate(ranges):
            assert guest.read(address, size) == pattern(size, number), f"{address:#x} was written"
            assert guest.borders(address, size), f"beside {address:#x}"
        assert guest.is_filled(*OFF)
        for address, mapped in ((NO_MAP[0] - 1, True), (NO_MAP[0], False),
                                (NO_MAP[0] + NO_MAP[1] // 2, False), (sum(NO_MAP) - 1, False),
                                (sum(NO_MAP), True), (FIRST[0], True)):
            assert guest.leads(address) == mapped, f"{address:#x}"


POOL, OTHER = (0x48800000, 16 * MIB), (0x4b000000, 2 * MIB)


@of_arm64
@pytest.mark.parametrize("default", [False, True])
def test_pool_of_the_tree(tmp_path, default):
    """The first shared-dma-pool becomes the area, or the one that is marked; no-map never does."""
    mark = "linux,cma-default;" if default else ""
    kind = 'compatible = "shared-dma-pool";'
    extra = tree(tmp_path, nodes=reserved(f"none@50003000 {{ {kind} {reg(NO_MAP)} no-map; }};",
                                          f"pool@48800000 {{ {kind} {reg(POOL)} reusable; }};",
                                          f"other@4b000000 {{ {kind} {reg(OTHER)} {mark} }};"))
    with Filled(extra=extra + loaded(tmp_path, [POOL, OTHER])) as guest:
        assert guest.area() == (OTHER if default else POOL)
        for number, (address, size) in enumerate((POOL, OTHER)):
            assert guest.read(address, size) == pattern(size, number)
            assert guest.borders(address, size)
        assert not guest.leads(NO_MAP[0])
        guest.router.console.find("none@50003000: no-map: no contiguous area")


@of_arm64
def test_placed_pool(tmp_path):
    """A pool without a place: aligned, within the range that it names, and nobody else's."""
    base, size = 0x4c000000, 16 * MIB
    extra = tree(tmp_path, nodes=reserved(
        'linux,cma { compatible = "shared-dma-pool"; size = <0 0x500000>; reusable;'
        f"alignment = <0 0x200000>; alloc-ranges = <0 {base:#x} 0 {size:#x}>; }};",
        'hole { size = <0 0x3000>; no-map; alloc-ranges = <0 0x5e000000 0 0x3000>; };'))
    with Filled(extra=extra + loaded(tmp_path, [(base, size)])) as guest:
        place, length = guest.area()
        assert length == 5 * MIB and place % (2 * MIB) == 0
        assert base <= place and place + length <= base + size
        expected = pattern(size, 0)[place - base:place - base + length]
        assert guest.read(place, length) == expected
        assert guest.borders(place, length)
        assert not guest.leads(0x5e000000) and not guest.leads(0x5e002fff)
        assert guest.leads(0x5e003000) and guest.leads(0x5dffffff)


@of_arm64
def test_senseless_reservations(tmp_path):
    """Over the image, outside RAM, without end: a line each, and it forwards."""
    kind = 'compatible = "shared-dma-pool";'
    extra = tree(tmp_path, ports=2, nodes=reserved(
        f"image@40200000 {{ {reg((0x40200000, MIB))} no-map; }};",
        f"pool@40000000 {{ {kind} {reg((0x40000000, 4 * MIB))} }};",
        f"wraps@0 {{ {reg(((1 << 64) - 4096, 8192))} }};",
        f"away@0 {{ {reg((0x100000000000, 4096), (0, 0))} }};",
        "large { size = <0x10 0>; };", "odd { size = <0 0x1000>; alignment = <0 0x3000>; };"))
    with Router(append="loglevel=7", memory=RAM_OPTION, extra=extra) as router:
        for words in ("image@40200000 at 0x40200000: no-map ignored",
                      "pool@40000000: no contiguous area", "wraps@0: reg: range 0 is unusable",
                      "large: no room", "odd: no room"):
            router.console.find(words)
        forwards(router)


@of_arm64
@pytest.mark.parametrize("platform", [False, True])
def test_without_coherence(tmp_path, platform):
    """
    A tree that promises no coherent caches. fw_cfg is served from uncached memory; a NIC whose
    accesses are the CPU's own forwards, and one that goes by the tree is refused with a line.
    """
    extra = tree(tmp_path, ports=2, drop=r"\n\s*dma-coherent;")
    options = ",disable-legacy=on,iommu_platform=on" if platform else ""
    with Router(extra=extra, memory=RAM_OPTION, nic_options=options) as router:
        if platform:
            router.console.find("eth0: its bus does not keep caches coherent")
        else:
            assert f"config: from {MACHINE.source}" in router.console.text()
            forwards(router)


@of_arm64
def test_memory_nodes_in_any_order():
    """QEMU writes nodes of several NUMA domains in descending order."""
    extra = []
    for node in range(2):
        extra += ["-object", f"memory-backend-ram,id=m{node},size=256M",
                  "-numa", f"node,nodeid={node},memdev=m{node}"]
    with Filled(extra=extra) as guest:
        for address in (0x41000000, 0x4ff00000, 0x50000000, 0x5ff00000):
            assert guest.is_filled(address), f"{address:#x}"


# ---- Options -----------------------------------------------------------------------------------

@pytest.mark.parametrize("option,size", [("16M", 16 * MIB), ("6000K", 6000 * KIB)])
def test_cma_option(option, size):
    """An area below 4 GiB that nothing but DMA gets."""
    with Filled(f"cma={option}") as guest:
        place, length = guest.area()
        assert length == -(-size // (16 * KIB)) * 16 * KIB or length == size
        assert place + length <= 1 << 32
        assert not any(guest.read(place, length)), "somebody has written there"
        assert guest.is_filled(place - 256 * KIB)


def test_cma_option_with_place():
    base = RAM + 64 * MIB
    with Filled(f"cma=20M@{base:#x}") as guest:
        assert guest.area() == (base, 20 * MIB)
        assert not any(guest.read(base, 20 * MIB))
        assert guest.borders(base, 20 * MIB)


@pytest.mark.parametrize("option,words", [
    ("64G", "memory: cma=: no room"), ("16M@0x1000000000", "no contiguous area at 0x1000000000"),
    ("16M@0x40000801", "'cma=16M@0x40000801'"), ("much", "'cma=much'")])
def test_cma_option_senseless(option, words):
    """It is named, and all else works."""
    with Router(append=f"cma={option} loglevel=7") as router:
        router.console.find(re.escape(words))
        forwards(router)


def test_mem_option():
    """What lies above the limit is never touched."""
    inside = {"arm64": 96, "loongarch64": 256 + 64, "loongson3": 240 + 64}[PLATFORM]
    end = RAM + {"arm64": 96, "loongarch64": 64, "loongson3": 64}[PLATFORM] * MIB
    with Filled(f"mem={inside}M") as guest:
        assert guest.is_filled(end - 256 * KIB)
        assert FILLED * 16 not in guest.read(end, RAM + RAM_BYTES - end)


@of_arm64
def test_mem_option_below_the_image():
    """The image stays when the limit ends below it (it is at 2 MiB)."""
    with Router(append="mem=1M", memory=RAM_OPTION).start() as router:
        router.console.expect(r"panic.*memory|# ")

# SPDX-License-Identifier: BSD-2-Clause
#
# What QEMU's monitor says about a router at rest, held against what must be so: the CPU waits, its
# control registers, which addresses lead where and which nowhere, what PCI devices were given.

import re
import sys

import pytest

from rig import frames as fr
from rig.machine import TOP
from rig.router import IMAGE, MACHINE, PLATFORM, Router

sys.path.insert(0, str(TOP / "tests/bench"))
from lib.elf import Elf     # noqa: E402

REST_S = 3
REST_PART = 0.05
# Physical address less link address of the image.
LOADED = {"arm64": 0x40200000 - 0xffffffff80000000, "loongarch64": 0x200000 - 0xffffffff80000000,
          "loongson3": 0x200000 - 0xffffffffc0200000}[PLATFORM]
LINK = {"arm64": "X30", "loongarch64": "r1", "loongson3": "ra"}[PLATFORM]
# Memory and, on the last, I/O that the bridge passes on.
WINDOWS = {"arm64": [(0x10000000, 0x3eff0000), (0x8000000000, 0x10000000000), (0, 0x10000)],
           "loongarch64": [(0x40000000, 0x80000000), (0x4000, 0x10000)],
           "loongson3": [(0x40000000, 0x80000000), (0x4000, 0x10000)]}[PLATFORM]
GUARDS = ["boot_stack_guard", "irq_stack_guard", "fault_stack_guard"]


@pytest.fixture(scope="module")
def resting():
    with Router(append="loglevel=8") as router:
        router.warm()
        router.passes(fr.udp())
        router.console.settle(1)
        yield router


@pytest.fixture(scope="module")
def elf():
    return Elf(IMAGE.with_suffix(".elf"))


def register(text, name):
    """A register of `info registers`; its value follows after '=' or blanks."""
    return int(re.search(rf"\b{name}(?:=| +)(?:0x)?([0-9a-f]+)", text, re.I).group(1), 16)


def test_idle_cpu_waits(resting):
    """At rest it costs the host next to nothing: it waits for an interrupt, and does not poll."""
    before = resting.cpu_seconds()
    resting.collect(REST_S)
    assert resting.cpu_seconds() - before < REST_PART * REST_S


def test_idle_place(resting, elf):
    """It waits in the function that is for waiting, be it in an unmapped alias of the image."""
    pc = physical(resting, register(resting.monitor("info registers"), "PC")) - LOADED
    names = [name for start, end, name in elf.functions() if start <= pc < end]
    assert names and "idle" in names[0], f"{pc:#x} is in {names}"


@pytest.mark.skipif(PLATFORM != "arm64", reason="registers of ARM64")
def test_control_registers_of_arm64(resting):
    assert re.search(r"PSTATE=\w+ \S+ EL1", resting.monitor("info registers"))


@pytest.mark.skipif(PLATFORM != "loongarch64", reason="registers of LoongArch64")
def test_control_registers_of_loongarch64(resting):
    """Paging is on; two direct windows, for RAM and devices, for the kernel only; no vectors."""
    text = resting.monitor("info registers")
    crmd = register(text, "CRMD")
    assert crmd & 0x10 and not crmd & 0x0b, f"CRMD {crmd:#x}"
    windows = sorted(register(text, f"DMW{i}") for i in range(4))
    assert windows == [0, 0, 0x8000000000000001, 0x9000000000000011], [hex(w) for w in windows]
    assert not register(text, "EUEN") & 6
    assert register(text, "PGDH") and register(text, "TLBRENTRY") < 0x10000000


@pytest.mark.skipif(PLATFORM != "loongson3", reason="registers of MIPS64")
def test_control_registers_of_loongson3(resting):
    """64-bit addresses, our own vectors, kernel mode, no error level."""
    status = register(resting.monitor("info registers"), "Status")
    assert status & 0x80 and not status & 0x0040001e, f"Status {status:#x}"


def physical(router, address):
    """Where an address leads now; None if nowhere."""
    match = re.match(r"gpa: 0x([0-9a-f]+)", router.monitor(f"gva2gpa {address:#x}"))
    return int(match.group(1), 16) if match else None


@pytest.mark.parametrize("address", [0, 0x10, 0x1000, 0x200000, 0x40200000, 0x7ffffffff000])
def test_low_addresses_lead_nowhere(resting, address):
    assert physical(resting, address) is None


@pytest.mark.parametrize("name", GUARDS)
def test_guard_pages_lead_nowhere(resting, elf, name):
    start = elf.symbol(name).addr
    for address in (start, start + 0xff8):
        assert physical(resting, address) is None


def test_image_is_where_it_was_loaded(resting, elf):
    """Where the idle thread has been just now is, through the MMU, what QEMU has loaded."""
    back = register(resting.monitor("info registers"), LINK)
    assert any(start <= back < end for start, end, _ in elf.functions())
    assert physical(resting, back) == back + LOADED


def test_memory_of_the_machine(resting):
    size = resting.qmp.run("query-memory-size-summary")["base-memory"]
    assert size >> 10 == MACHINE.ram_kib + MACHINE.hidden_kib


DEVICE = re.compile(r"Bus +(\d+), device +(\d+), function (\d+):\s+[^:]*: PCI device (\w+):(\w+)")
BAR = re.compile(r"BAR\d: (?:(?:32|64) bit (?:prefetchable )?memory|I/O) at 0x(\w+) \[0x(\w+)\]")


def test_pci_devices(resting):
    """The router has found those that there are."""
    text, log = resting.monitor("info pci"), resting.console.text()
    devices = DEVICE.findall(text)
    assert len(devices) >= 3
    for bus, device, function, vendor, model in devices:
        name = f"{int(bus):02x}:{int(device):02x}.{int(function)}"
        assert f"pci {name}: {vendor}:{model} " in log, name


def test_pci_windows(resting):
    """What is mapped is aligned, in the bridge's windows, and overlaps nothing."""
    text = resting.monitor("info pci")
    ranges = sorted((int(low, 16), int(high, 16) + 1, "I/O" in word)
                    for low, high, word in ((m[1], m[2], m[0]) for m in BAR.finditer(text)))
    assert len(ranges) >= 2, text
    for low, high, io in ranges:
        inside = WINDOWS[-1:] if io else WINDOWS[:-1]
        assert low % (high - low) == 0 and any(a <= low and high <= b for a, b in inside), text
    for kind in (False, True):
        of_kind = [each for each in ranges if each[2] == kind]
        assert all(one[1] <= two[0] for one, two in zip(of_kind, of_kind[1:])), text


def test_virtio_registers_are_mapped(resting):
    """Both NICs' modern registers are where memory accesses reach them."""
    assert resting.monitor("info mtree -f").count("virtio-pci-common-virtio-net") >= 2

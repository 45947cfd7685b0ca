# SPDX-License-Identifier: BSD-2-Clause
#
# What the Loongson machines' firmware hands over, damaged before the first instruction: EFI tables
# (loongarch64), LEFI tables and arguments (loongson3), registers. The router comes up with what is
# left, or says what it lacks; where nothing leads to a console the CPU stands still.
#
# Layout: UEFI 2.10, 4.3 and 4.6; LEFI as firmware of 3A1000 to 3A4000 has it. Addresses: QEMU's.

import random
import re
import struct

import pytest

from rig.router import MACHINE, PLATFORM, Router
from test_boot import forwards, settles

of_loongarch64 = pytest.mark.skipif(PLATFORM != "loongarch64", reason="EFI: only on LoongArch64")
of_loongson3 = pytest.mark.skipif(PLATFORM != "loongson3", reason="LEFI: only on Loongson-3")

A0, A1, A2 = 4, 5, 6    # argument registers, numbered the same on both
WILD = [0x12345678, 0x4000000000000000, 0x9000123456789abc, (1 << 64) - 1]


def u16(value):
    return struct.pack("<H", value & 0xffff)


def u32(value):
    return struct.pack("<I", value & 0xffffffff)


def u64(value):
    return struct.pack("<Q", value & (1 << 64) - 1)


def damaged(changes=(), registers=(), **options):
    """A frozen router with (address, bytes) written and (register, value) set, then started."""
    router = Router(frozen=True, **options).start()
    try:
        for address, data in changes:
            router.gdb.write(address, data)
        for number, value in registers:
            router.gdb.set_register(number, value)
        return router.thaw()
    except BaseException:
        router.close()
        raise


def comes_up(router, *words):
    """To a prompt, having said these words (regular expressions), and forwards."""
    with router:
        router.boot()
        for word in words:
            router.console.find(word)
        if f"config: from {MACHINE.source}" in router.console.text():
            forwards(router)
        else:
            assert "eth0" in router.console.command("show interfaces")


def says(router, words):
    """These words, within the time that a start takes."""
    with router:
        assert settles(router, words), "it stands still in silence"


def stands_still(router):
    """There is no way to a console."""
    with router:
        assert not settles(router, "# ")


# ---- EFI -----------------------------------------------------------------------------------------

EFI = 0x200
SIGNATURE, COUNT, TABLES = EFI, EFI + 0x68, EFI + 0x70
ENTRIES = 0x10200       # 24 bytes each: GUID, address
INITRD_ENTRY, TREE_ENTRY = ENTRIES + 24, ENTRIES + 48
INITRD, TREE, LINE = 0x20200, 0x100000, 0
DEVICES = 0x1fe001e0
NO_RAM = 0x7f00000000   # where RAM could be, and is not


@of_loongarch64
def test_efi_as_it_is():
    """The way that the tests below take works with good tables."""
    comes_up(damaged([(COUNT, u64(3))], [(A2, EFI)]))


NO_TREE = {
    "signature": (SIGNATURE, b"\xff"), "no tables": (COUNT, u64(0)),
    "tables at 0": (TABLES, u64(0)), "tables in devices": (TABLES, u64(DEVICES)),
    "tables nowhere": (TABLES, u64(1 << 47)), "tables at the end": (TABLES, u64(-8)),
    "GUID": (TREE_ENTRY, b"\0"), "tree at 0": (TREE_ENTRY + 16, u64(0)),
    "tree in devices": (TREE_ENTRY + 16, u64(DEVICES)),
    "tree without RAM": (TREE_ENTRY + 16, u64(NO_RAM)),
    "tree nowhere": (TREE_ENTRY + 16, u64(1 << 50)), "tree at the end": (TREE_ENTRY + 16, u64(-4)),
    "tree odd": (TREE_ENTRY + 16, u64(TREE + 1)), "tree of zeros": (TREE, bytes(64)),
}


@of_loongarch64
@pytest.mark.parametrize("change", NO_TREE.values(), ids=NO_TREE)
def test_efi_without_tree(change):
    stands_still(damaged([change]))


@of_loongarch64
@pytest.mark.parametrize("value", [0, 1, EFI + 1, 0x10000000, NO_RAM, *WILD], ids=hex)
def test_efi_table_elsewhere(value):
    """a2 leads to no table, to devices, or to no memory at all."""
    stands_still(damaged(registers=[(A2, value)]))


@of_loongarch64
@pytest.mark.parametrize("count", [4, 1000, 1 << 32, (1 << 64) - 1], ids=hex)
def test_efi_too_many_tables(count):
    comes_up(damaged([(COUNT, u64(count))]))


@of_loongarch64
def test_efi_tables_at_odd_address():
    """They need not be aligned."""
    router = Router(frozen=True).start()
    router.gdb.write(ENTRIES + 0x801, router.gdb.read(ENTRIES, 72))
    router.gdb.write(TABLES, u64(ENTRIES + 0x801))
    comes_up(router.thaw())


@of_loongarch64
@pytest.mark.parametrize("base,size", [(0x200000, 4096), (1 << 40, 4096), (DEVICES, 64), (0, 64),
                                       (0x8000000, 1 << 40), (0x8000000, 0xffffffff), (-16, 16),
                                       (-4096, 8192)], ids=lambda value: f"{value:#x}")
def test_efi_senseless_initrd(base, size):
    comes_up(damaged([(INITRD, u64(base) + u64(size))]))


@of_loongarch64
@pytest.mark.parametrize("address", [0, DEVICES, NO_RAM, 1 << 47, (1 << 64) - 8], ids=hex)
def test_efi_initrd_table_elsewhere(address):
    comes_up(damaged([(INITRD_ENTRY + 16, u64(address))]))


@of_loongarch64
@pytest.mark.parametrize("value", [1, DEVICES, 0x10000000, 0x0fffffff, NO_RAM, *WILD],
                         ids=hex)
def test_efi_command_line_elsewhere(value):
    comes_up(damaged(registers=[(A1, value)]))


@of_loongarch64
@pytest.mark.parametrize("line", [b"x" * 512, b"mem=" * 128, bytes(range(128, 256)) * 4,
                                  b"\xff" * 512, b" " * 512, b"--" * 256],
                         ids=["endless", "options", "bytes", "ones", "blanks", "dashes"])
def test_efi_damaged_command_line(line):
    """512 bytes without an end; the system table follows."""
    comes_up(damaged([(LINE, line)]))


@of_loongarch64
@pytest.mark.parametrize("seed", range(6))
def test_efi_random(seed):
    """Bytes of the tables are anything: up, or still, or with words."""
    dice = random.Random(seed)
    changes = [(dice.choice((EFI, ENTRIES, INITRD, TREE)) + dice.randrange(120),
                dice.randbytes(dice.randrange(1, 9))) for _ in range(4)]
    with damaged(changes) as router:
        settles(router)


# ---- LEFI ----------------------------------------------------------------------------------------

LEFI = 0xffffffff9fc01000
LEFI_BYTES = 0x6000
OFFSETS = LEFI + 0x28   # of the tables, from here: memory, CPUs, ...
MAP, CPUS = OFFSETS + 0x118, OFFSETS + 0x98
ENTRY = [MAP + 10, MAP + 34]    # node, type (32 bits each), start (64), MiB (32)
ARGV = 0xffffffff8ff00000       # 32-bit pointers
LOW_KIB = 240 << 10


@of_loongson3
def test_lefi_as_it_is():
    """The way that the tests below take works with good tables."""
    comes_up(damaged([(MAP + 2, u32(2))], [(A2, LEFI)]))


NO_MEMORY = {
    "zeros": (LEFI, bytes(LEFI_BYTES)), "ones": (LEFI, b"\xff" * LEFI_BYTES),
    "offset 0": (OFFSETS, u64(0)), "offset wild": (OFFSETS, u64(1 << 40)),
    "offset negative": (OFFSETS, u64(-8)), "version": (MAP, u16(7)), "no entry": (MAP + 2, u32(0)),
    "entries": (MAP + 2, u32(1000)), "many entries": (MAP + 2, u32(-1)),
    "low part empty": (ENTRY[0] + 16, u32(0)), "low part elsewhere": (ENTRY[0] + 8, u64(1 << 60)),
    "low part wraps": (ENTRY[0] + 8, u64(-4096)), "low part of no type": (ENTRY[0] + 4, u32(77)),
}


@of_loongson3
@pytest.mark.parametrize("change", NO_MEMORY.values(), ids=NO_MEMORY)
def test_lefi_without_memory(change):
    """Nothing is known about the memory in which the image lies: said, and the end."""
    says(damaged([change]), "(?i)panic.*memory|no usable memory|memory.*panic")


LOW_ONLY = {
    "one entry": (MAP + 2, u32(1)), "empty": (ENTRY[1] + 16, u32(0)),
    "of no type": (ENTRY[1] + 4, u32(99)), "wraps": (ENTRY[1] + 8, u64(-4096)),
    "twice": (ENTRY[1] + 8, u64(0) + u32(100)),
    "alias of low part": (ENTRY[1] + 8, u64(0x80000000) + u32(128)),
    "devices": (ENTRY[1] + 8, u64(0x10000000) + u32(256)),
}


@of_loongson3
@pytest.mark.parametrize("change", LOW_ONLY.values(), ids=LOW_ONLY)
def test_lefi_low_memory_only(change):
    """The second entry is unusable: what the first names is used, and nothing twice."""
    router = damaged([change])
    with router:
        forwards(router)
        assert re.search(rf"RAM +{LOW_KIB} KiB", router.console.command("show memory"))


NO_CPUS = {
    "offset 0": (OFFSETS + 8, u64(0)), "offset wild": (OFFSETS + 8, u64(1 << 62)),
    "none": (CPUS + 22, u32(0)), "many": (CPUS + 22, u32(-1)), "start": (CPUS + 14, u16(99)),
    "all reserved": (CPUS + 16, u16(-1)),
}


@of_loongson3
@pytest.mark.parametrize("change", NO_CPUS.values(), ids=NO_CPUS)
def test_lefi_damaged_cpu_table(change):
    """One CPU is certain: it runs this."""
    comes_up(damaged([change]), "LEFI: CPU table")


@of_loongson3
@pytest.mark.parametrize("hz", [0, 1, 0xffffffff])
def test_lefi_senseless_clock(hz):
    """The timer's rate is not taken from it."""
    comes_up(damaged([(CPUS + 18, u32(hz))]))


@of_loongson3
@pytest.mark.parametrize("value", [0, 1, LEFI + 1, LEFI + 0x1feff8, 0x9000000010080000, *WILD],
                         ids=hex)
def test_lefi_parameters_elsewhere(value):
    """a2 leads to no tables, to devices, or to no memory at all."""
    says(damaged(registers=[(A2, value)]), "(?i)LEFI")


@of_loongson3
@pytest.mark.parametrize("value", [0, 1, 1000, 0xffffffff, 1 << 32], ids=hex)
def test_lefi_argument_count(value):
    """Without arguments there is no initial archive either, so no configuration."""
    comes_up(damaged(registers=[(A0, value)]), "config: from built-in default|config: from /etc")


@of_loongson3
@pytest.mark.parametrize("value", [0, ARGV + 2, 0x9000000010080000, 0xffffffffc0200000, *WILD],
                         ids=hex)
def test_lefi_arguments_elsewhere(value):
    comes_up(damaged(registers=[(A1, value)]), "config: from built-in default")


@of_loongson3
@pytest.mark.parametrize("pointer", [0, 1, 0x10080000, 0x8fffffff, 0xc0200000, 0xbfc01000],
                         ids=hex)
def test_lefi_argument_elsewhere(pointer):
    comes_up(damaged([(ARGV + 4, u32(pointer))]), "config: from built-in default")


@of_loongson3
@pytest.mark.parametrize("line", [b"x" * 4096, b"\xff" * 4096, b"rd_start=" * 500,
                                  b"\x01\x80 " * 80],
                         ids=["endless", "ones", "archives", "bytes"])
def test_lefi_damaged_command_line(line):
    comes_up(damaged([(ARGV + 0x12, line)]))


@of_loongson3
@pytest.mark.parametrize("line", [
    "rd_start=0xffffffff84000000 rd_size=999999999999", "rd_start=0xffffffff84000000 rd_size=-1",
    "rd_start=zzz rd_size=5", "rd_size=5", "rd_start=0x4000000000000000 rd_size=100",
    "rd_start=0xffffffff80200000 rd_size=4096", "rd_start=0xffffffff9fc00000 rd_size=4096",
    "rd_start=0xffffffff8fffff00 rd_size=4096", "rd_start=0xffffffff90080000 rd_size=16"])
def test_lefi_senseless_initrd(line):
    """What stands on the command line about an archive need not be true."""
    comes_up(Router(config=None, append=line).start(), "config: from built-in default")


@of_loongson3
@pytest.mark.parametrize("seed", range(8))
def test_lefi_random(seed):
    """Bytes of the tables are anything: it comes up or says why it does not."""
    dice = random.Random(seed)
    changes = [(dice.choice((OFFSETS, MAP, CPUS)) + dice.randrange(60),
                dice.randbytes(dice.randrange(1, 9))) for _ in range(4)]
    with damaged(changes) as router:
        assert settles(router, "# |panic|memory"), "it stands still in silence"

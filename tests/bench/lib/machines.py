# SPDX-License-Identifier: BSD-2-Clause
#
# All that differs between the machines that we measure on: how QEMU is called, how a configuration
# gets into the guest, whose tools read its images, what its instructions for idling and calling
# are called, and where its address space has what.

import re
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Machine:
    name: str
    qemu: str
    options: list       # the machine, for both sides of a comparison
    cpu: str            # --cpu takes another
    cross: str          # prefix of the compiler and objdump
    idle: str           # mnemonic
    untranslated: int   # where load address 0 of an image is executed without translation
    memory: str         # of the forwarding runs
    boot_memories: list     # two sizes: starts are compared
    least_ram: bool = True  # the machine takes less RAM than we need, so that it can be searched
    config_by: str = "fw_cfg"   # or "initrd", where QEMU offers no fw_cfg
    call: str = "bl"        # mnemonic; what it returns to is so many bytes behind it:
    call_bytes: int = 4
    walks_tables: bool = True   # QEMU's debugger port finds what only page tables map

    def layout(self, name):
        """A number of the machine's arch/layout.h."""
        header, = TOP.glob(f"platform/**/{self.name}/arch/layout.h")
        found = re.search(rf"^#define ARCH_{name} (\w+)$", header.read_text(), re.M)
        if not found:
            raise KeyError(f"{header.relative_to(TOP)} has no ARCH_{name}")
        return int(found[1], 0)


MACHINES = {machine.name: machine for machine in [
    Machine(
        name="arm64",
        qemu="qemu-system-aarch64",
        options=["-M", "virt,gic-version=3"],
        cpu="cortex-a72",
        cross="aarch64-linux-gnu-",
        idle="wfi",
        untranslated=0x40200000,
        memory="256M",
        boot_memories=["128M", "8G"],
    ),
    Machine(
        name="loongarch64",
        qemu="qemu-system-loongarch64",
        options=["-M", "virt"],
        cpu="la464",
        cross="loongarch64-linux-gnu-",
        idle="idle",
        untranslated=0,
        memory="512M",
        boot_memories=["512M", "8G"],
    ),
    Machine(
        name="loongson3",
        qemu="qemu-system-mips64el",
        options=["-M", "loongson3-virt", "-vga", "none", "-accel", "tcg,thread=multi"],
        cpu="Loongson-3A4000",
        cross="mips64el-linux-gnuabi64-",
        idle="wait",
        untranslated=0xffffffff80000000,
        memory="512M",
        boot_memories=["512M", "8G"],
        least_ram=False,    # QEMU: at least 512 MiB
        config_by="initrd",
        call="jal",
        call_bytes=8,       # the delay slot
        walks_tables=False,     # its TLB is the guest's software's
    ),
]}

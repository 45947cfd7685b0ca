# SPDX-License-Identifier: BSD-2-Clause
#
# All that differs between the machines that we measure on: how QEMU is called, which tool
# disassembles, and what returns, calls and idle instructions look like in its output.

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    qemu: str
    options: list           # machine and CPU model, for both sides of a comparison
    objdump: str
    result_register: str    # as QEMU's gdb description names it
    returns: str            # regular expressions over "mnemonic operands"
    calls: str              # group 1: the target's address
    idles: str
    insn_bytes: int = 4
    delay_slot: bool = False  # the instruction behind a call belongs to it


MACHINES = {
    "arm64": Machine(
        qemu="qemu-system-aarch64",
        options=["-M", "virt,gic-version=3", "-cpu", "cortex-a72"],
        objdump="aarch64-linux-gnu-objdump",
        result_register="x0",
        returns=r"ret(\s|$)",
        calls=r"bl\s+(?:0x)?([0-9a-f]+)",
        idles=r"wfi(\s|$)",
    ),
    "loongarch64": Machine(
        qemu="qemu-system-loongarch64",
        options=["-M", "virt", "-cpu", "la464"],
        objdump="loongarch64-linux-gnu-objdump",
        result_register="r4",
        returns=r"(ret|jirl\s+\$zero,\s*\$ra)",
        calls=r"bl\s+.*#\s*(?:0x)?([0-9a-f]+)",
        idles=r"idle(\s|$)",
    ),
    "loongson3": Machine(
        qemu="qemu-system-mips64el",
        options=["-M", "loongson3-virt", "-vga", "none"],
        objdump="mips64el-linux-gnuabi64-objdump",
        result_register="r2",
        returns=r"jr\s+ra",
        calls=r"(?:jal|bal)\s+(?:0x)?([0-9a-f]+)",
        idles=r"wait(\s|$)",
        delay_slot=True,
    ),
}

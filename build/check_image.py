#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# check_image.py ELF IMAGE OBJDUMP [SYMBOLS.S]: what holds of every image that is linked.
#
#   1. Kernel text uses no FP/SIMD register: it runs in interrupts, where they are the thread's.
#   2. Kernel text has no direct call into application text (newlib, libgcc's FP half), whose
#      string functions use such registers.
#   3. Each recorded device access is one load or store of a general register with a plain base
#      address: the form that a hypervisor can emulate from the syndrome (Arm ARM, ISS encoding
#      for a Data Abort; Linux KVM refuses others).
#   4. The symbol table in the image is that of the image.
#
# Exceptions to 1 and 2 stand in image_allow.txt.  Prints the sizes, and one line for each breach.

import re
import struct
import subprocess
import sys
from bisect import bisect_right
from collections import namedtuple
from os.path import abspath, dirname, getsize, join

sys.dont_write_bytecode = True
sys.path.insert(0, dirname(abspath(__file__)))
import symbols  # noqa: E402
from elf import Elf  # noqa: E402

Instruction = namedtuple("Instruction", "address mnemonic operands")

# FP/SIMD state by name, direct branches by mnemonic, single device accesses by encoding.
Machine = namedtuple("Machine", "name fp_operand branch is_plain_access")


def arm64_plain_access(word):
    """LDR/STR (immediate, unsigned offset), general register, offset 0, no sign extension."""
    return word & 0x3fbffc00 == 0x39000000


MACHINES = {
    183: Machine("arm64",
                 re.compile(r"(?<![\w.])(?:[vqdshb]\d{1,2}(?:\.\w+)?|fpcr|fpsr)(?![\w.])"),
                 re.compile(r"^(?:b|bl|b\.\w+|cbn?z|tbn?z)$"),
                 arm64_plain_access),
}

LINE = re.compile(r"^\s*([0-9a-f]+):\s+([\w.]+)\s*([^<]*)")


class Image:
    def __init__(self, path, objdump):
        self.elf = Elf(path)
        self.path = path
        self.objdump = objdump
        self.machine = MACHINES[self.elf.machine]
        self.functions = self.elf.functions()
        self.starts = [s.value for s in self.functions]

    def at(self, name):
        return self.elf.address_of[name]

    def function_at(self, address):
        i = bisect_right(self.starts, address) - 1
        return self.functions[i].name if i >= 0 else "?"

    def place(self, address):
        start = self.starts[max(bisect_right(self.starts, address) - 1, 0)]
        return f"{self.function_at(address)}+{address - start:#x}"

    def disassemble(self, start, stop):
        out = subprocess.run(
            [self.objdump, "-d", "-z", "--no-show-raw-insn", f"--start-address={start:#x}",
             f"--stop-address={stop:#x}", self.path], check=True, capture_output=True, text=True)
        for line in out.stdout.splitlines():
            match = LINE.match(line)
            if match:
                operands = match[3].split("//")[0].strip()
                yield Instruction(int(match[1], 16), match[2], operands)

    def kernel_text(self):
        return self.disassemble(self.at("__text_start"), self.at("__kernel_text_end"))


def read_allowances(path):
    """Sets of "fp FUNCTION" and "call CALLER CALLEE" lines; the rest of a line is its reason."""
    allowed = set()
    with open(path) as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                allowed.add(tuple(words))
    return allowed


def check_kernel_text(image, allowed):
    app_start, app_end = image.at("__app_text_start"), image.at("__app_text_end")
    machine = image.machine
    for insn in image.kernel_text():
        if machine.fp_operand.search(insn.operands):
            name = image.function_at(insn.address)
            if ("fp", name) not in allowed:
                yield f"{name} uses an FP register: {insn.mnemonic} {insn.operands}"
        elif machine.branch.match(insn.mnemonic):
            target = int(re.split(r"[,\s]+", insn.operands)[-1], 16)
            if app_start <= target < app_end:
                caller, callee = image.function_at(insn.address), image.function_at(target)
                if not {("call", caller, callee), ("call", "*", callee)} & allowed:
                    yield f"{caller} (kernel) calls {callee} (application)"


def check_device_accesses(image):
    section = image.elf.section(".mmio.sites")
    text = image.elf.section(".text")
    content = image.elf.bytes_of(text)
    if section.size < 8:
        yield "no device access is recorded: the accessors or the linker script lost .mmio.sites"
    for site, in struct.iter_unpack("<Q", image.elf.bytes_of(section)):
        if not text.addr <= site < text.addr + text.size:
            continue  # the linker dropped the function that held it
        word, = struct.unpack_from("<I", content, site - text.addr)
        if not image.machine.is_plain_access(word):
            yield (f"{image.place(site)}: device access {word:#010x} is no plain load or store "
                   "of a general register")


def check_symbol_table(image, path):
    with open(path) as file:
        if file.read() != symbols.assembly(symbols.entries(image.elf)):
            yield "the symbol table is not that of the image (a function moved between the links)"


def sizes(image, img_path):
    def span(start, end):
        return (image.at(end) - image.at(start)) / 1024

    return (f"{getsize(img_path) / 1024:.1f} KiB "
            f"(kernel {span('__text_start', '__kernel_text_end'):.0f}, "
            f"application {span('__app_text_start', '__app_text_end'):.0f}, "
            f"rodata {span('__rodata_start', '__rodata_end'):.0f}, "
            f"data {span('__data_start', '__data_end'):.0f}, "
            f"bss {span('__bss_start', '__bss_end'):.0f})")


def main():
    elf_path, img_path, objdump = sys.argv[1:4]
    image = Image(elf_path, objdump)
    allowed = read_allowances(join(dirname(abspath(__file__)), "image_allow.txt"))
    breaches = list(check_kernel_text(image, allowed)) + list(check_device_accesses(image))
    if len(sys.argv) > 4:
        breaches += check_symbol_table(image, sys.argv[4])
    for breach in breaches:
        print(f"{elf_path}: {breach}", file=sys.stderr)
    if breaches:
        sys.exit(1)
    print(f"  SIZE  {elf_path}: {sizes(image, img_path)}")


if __name__ == "__main__":
    main()

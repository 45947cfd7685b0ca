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
#   4. No text uses what no thread here has: a thread pointer, LoongArch's vector registers.
#   5. The register that holds the base of the per-CPU data, where a machine has one for it, is
#      written by the entry code and by vectors only.
#   6. The symbol table in the image is that of the image.
#
# Exceptions stand in image_allow.txt.  Prints the sizes, and one line for each breach.

import struct
import sys
from bisect import bisect_right
from os.path import abspath, dirname, getsize, join

sys.dont_write_bytecode = True
sys.path.insert(0, dirname(abspath(__file__)))
import symbols  # noqa: E402
from elf import Elf  # noqa: E402
from isa import ISAS, disassemble  # noqa: E402


class Image:
    def __init__(self, path, objdump):
        self.elf = Elf(path)
        self.path = path
        self.objdump = objdump
        self.isa = ISAS[self.elf.machine]
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

    def text(self):
        return disassemble(self.isa, self.objdump, self.path, self.at("__text_start"),
                           self.at("__text_end"))

    def is_kernel(self, address):
        return address < self.at("__kernel_text_end")


def read_allowances(path):
    """Set of the lines' words, "fp FUNCTION" and so on; the rest of a line is its reason."""
    allowed = set()
    with open(path) as file:
        for line in file:
            words = line.split("#")[0].split()
            if words:
                allowed.add(tuple(words))
    return allowed


def check_registers(image, insn, allowed):
    isa, name = image.isa, image.function_at(insn.address)
    text = f"{insn.mnemonic} {insn.operands}"
    if isa.banned.search(text):
        yield f"{name} uses a register that threads do not have: {text}"
    elif isa.fp.search(text) and image.is_kernel(insn.address) and ("fp", name) not in allowed:
        yield f"{name} uses an FP register: {text}"
    elif insn.address >= image.at("__kernel_text_start") and \
            isa.writes_percpu.match(text) and ("percpu", name) not in allowed:
        yield f"{name} writes the register of the per-CPU base: {text}"


def check_call(image, insn, allowed):
    start, end = image.at("__app_text_start"), image.at("__app_text_end")
    if insn.target and start <= insn.target < end and image.is_kernel(insn.address):
        caller, callee = image.function_at(insn.address), image.function_at(insn.target)
        if not {("call", caller, callee), ("call", "*", callee)} & allowed:
            yield f"{caller} (kernel) calls {callee} (application)"


def check_text(image, allowed):
    branches = 0
    for insn in image.text():
        branches += insn.target is not None
        yield from check_registers(image, insn, allowed)
        yield from check_call(image, insn, allowed)
    if not branches:
        yield "no branch was seen: the disassembler's syntax is not what isa.py expects"


def check_device_accesses(image):
    section = image.elf.section(".mmio.sites")
    text = image.elf.section(".text")
    content = image.elf.bytes_of(text)
    if section is None or section.size < 8:
        yield "no device access is recorded: the accessors or the linker script lost .mmio.sites"
    for site, in struct.iter_unpack("<Q", image.elf.bytes_of(section)):
        if not text.addr <= site < text.addr + text.size:
            continue  # the linker dropped the function that held it
        word, = struct.unpack_from("<I", content, site - text.addr)
        if not image.isa.is_plain_access(word):
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
    breaches = list(check_text(image, allowed)) + list(check_device_accesses(image))
    if len(sys.argv) > 4:
        breaches += check_symbol_table(image, sys.argv[4])
    for breach in breaches:
        print(f"{elf_path}: {breach}", file=sys.stderr)
    if breaches:
        sys.exit(1)
    print(f"  SIZE  {elf_path}: {sizes(image, img_path)}")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# symbols.py [ELF]: print the symbol table of the image as assembly (core/debug/symbols.c reads
# it); without ELF an empty one.  The image is linked twice, first with the empty table, then
# with this one: the table stands behind the text, so that no function moves in between.
#
# Form: u32 count, u32 bytes of names, u32 offset of each function from __image_start in rising
# order, u32 offset of every 16th name in the names, then the names, each with its NUL.

import sys
from os.path import abspath, dirname

sys.dont_write_bytecode = True
sys.path.insert(0, dirname(abspath(__file__)))
from elf import Elf  # noqa: E402

STRIDE = 16


def entries(elf):
    """(offset from __image_start, name) of each function; the compiler's suffixes are dropped."""
    base = elf.address_of["__image_start"]
    return [(s.value - base, s.name.split(".")[0]) for s in elf.functions()]


def index_of(names):
    """Offset of every STRIDE-th name in the string that holds them all."""
    index, position = [], 0
    for i, name in enumerate(names):
        if i % STRIDE == 0:
            index.append(position)
        position += len(name) + 1
    return index, position


def assembly(table):
    names = [name for _, name in table]
    index, name_bytes = index_of(names)
    lines = ['.section .rodata.symbols, "a"', ".balign 4", ".globl symbol_table", "symbol_table:",
             f".long {len(table)}, {name_bytes}"]
    lines += [f".long {offset}" for offset, _ in table]
    lines += [f".long {offset}" for offset in index]
    lines += [f'.asciz "{name}"' for name in names]
    lines += ['.section .note.GNU-stack, ""']
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(assembly(entries(Elf(sys.argv[1])) if len(sys.argv) > 1 else []))

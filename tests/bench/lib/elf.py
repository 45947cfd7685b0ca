# SPDX-License-Identifier: BSD-2-Clause
#
# Reads what the measurements need from an image's ELF file: sections, function ranges, and by
# disassembly the places where the CPU idles.
#
# Specification: System V ABI, chapter 4 (ELF-64, little-endian). Our own build makes the file,
# so that a damaged one may end in an exception.

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

PT_LOAD = 1
SHF_ALLOC = 2
SHF_EXECINSTR = 4
SHT_NOBITS = 8
SHT_SYMTAB = 2
STT_FUNC = 2
STT_SECTION = 3
STT_NOTYPE = 0
MASK64 = (1 << 64) - 1


@dataclass
class Section:
    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int


@dataclass
class Segment:
    vaddr: int
    paddr: int      # where a loader puts it
    size: int


@dataclass
class Symbol:
    name: str
    addr: int
    size: int
    type: int
    section: int


class Elf:
    def __init__(self, path):
        self.path = Path(path)
        self.blob = self.path.read_bytes()
        if self.blob[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: not a little-endian ELF-64 file")
        self.segments = self._read_segments()
        self.sections = self._read_sections()
        self.symbols = self._read_symbols()
        self.by_name = {symbol.name: symbol for symbol in self.symbols}

    def _read_segments(self):
        at, = struct.unpack_from("<Q", self.blob, 0x20)
        size, count = struct.unpack_from("<HH", self.blob, 0x36)
        raw = [struct.unpack_from("<IIQQQQQ", self.blob, at + i * size) for i in range(count)]
        return [Segment(r[3], r[4], r[6]) for r in raw if r[0] == PT_LOAD]

    def _read_sections(self):
        at, = struct.unpack_from("<Q", self.blob, 0x28)
        size, count, names = struct.unpack_from("<HHH", self.blob, 0x3a)
        raw = [struct.unpack_from("<IIQQQQI", self.blob, at + i * size) for i in range(count)]
        base = raw[names][4]
        return [Section(self._text(base + r[0]), r[1], r[2], r[3], r[4], r[5], r[6]) for r in raw]

    def _text(self, at):
        return self.blob[at:self.blob.index(b"\0", at)].decode()

    def _read_symbols(self):
        found = []
        for section in self.sections:
            if section.type != SHT_SYMTAB:
                continue
            names = self.sections[section.link].offset
            for at in range(section.offset, section.offset + section.size, 24):
                name, info, _, index, addr, size = struct.unpack_from("<IBBHQQ", self.blob, at)
                found.append(Symbol(self._text(names + name), addr, size, info & 15, index))
        return found

    def _is_code(self, index):
        return 0 < index < len(self.sections) and self.sections[index].flags & SHF_EXECINSTR

    def functions(self):
        """
        [(start, end, name)], ascending and without overlap. Assembly labels without a size
        reach to the next symbol of their section, or to its end.
        """
        starts = {}
        for symbol in self.symbols:
            mapping = symbol.name.startswith(("$", ".L")) or not symbol.name
            if symbol.type not in (STT_FUNC, STT_NOTYPE) or mapping \
                    or not self._is_code(symbol.section):
                continue
            best = starts.get(symbol.addr)
            if best is None or (symbol.size, symbol.type) > (best.size, best.type):
                starts[symbol.addr] = symbol
        ordered = [starts[addr] for addr in sorted(starts)]
        ranges = []
        for symbol, following in zip(ordered, ordered[1:] + [None]):
            section = self.sections[symbol.section]
            limit = section.addr + section.size
            if following and following.section == symbol.section:
                limit = min(limit, following.addr)
            end = min(symbol.addr + symbol.size, limit) if symbol.size else limit
            if end > symbol.addr:
                ranges.append((symbol.addr, end, symbol.name))
        return ranges

    def symbol(self, name):
        if name not in self.by_name:
            raise KeyError(f"{self.path.name} has no symbol '{name}'")
        return self.by_name[name]

    def function(self, name):
        """(start, end) of a function; its symbol has a size."""
        symbol = self.symbol(name)
        if not symbol.size:
            raise KeyError(f"{self.path.name}: the symbol '{name}' has no size")
        return symbol.addr, symbol.addr + symbol.size

    def read(self, addr, size):
        """What the file holds for `addr`, in a section with contents."""
        for section in self.sections:
            if section.flags & SHF_ALLOC and section.type != SHT_NOBITS and \
                    section.addr <= addr and addr + size <= section.addr + section.size:
                at = section.offset + addr - section.addr
                return self.blob[at:at + size]
        raise KeyError(f"{self.path.name}: nothing is stored for {addr:#x}")

    def load_address(self, addr):
        """Where the loader puts what is linked for `addr`; None if it does not load it."""
        for segment in self.segments:
            if segment.vaddr <= addr < segment.vaddr + segment.size:
                return addr - segment.vaddr + segment.paddr
        return None

    def sizes(self):
        """Bytes in memory by kind, as `size` counts them, and all sections by name."""
        kinds = {"text": 0, "rodata": 0, "data": 0, "bss": 0}
        table = {}
        for section in self.sections:
            if not section.flags & SHF_ALLOC or not section.size:
                continue
            table[section.name] = section.size
            if section.type == SHT_NOBITS:
                kinds["bss"] += section.size
            elif section.flags & SHF_EXECINSTR:
                kinds["text"] += section.size
            elif section.flags & 1:
                kinds["data"] += section.size
            else:
                kinds["rodata"] += section.size
        return kinds, table

    def loaded(self):
        """[(start, end)] of the sections that are in memory."""
        return [(section.addr, section.addr + section.size) for section in self.sections
                if section.flags & SHF_ALLOC and section.size]


class Code:
    """An image's ELF file together with the machine that it is for."""

    def __init__(self, elf, machine):
        self.elf = elf
        self.machine = machine

    def functions(self):
        """
        The functions of the ELF file, and those that run untranslated as well, at their place in
        RAM: entry code, and on some machines vectors, the TLB refill handler, the idle function.
        """
        linked = self.elf.functions()
        ranges = list(linked)
        for start, end, name in linked:
            at = self.untranslated(start)
            if at is not None:
                ranges.append((at, at + end - start, f"{name} (untranslated)"))
        ranges.sort(key=lambda item: item[0])
        return [item for item, before in zip(ranges, [(0, 0, ""), *ranges])
                if item[0] >= before[1]]

    def untranslated(self, addr):
        """Where what is linked for `addr` runs without translation; None if it is not loaded."""
        load = self.elf.load_address(addr)
        return None if load is None else (load + self.machine.untranslated) & MASK64

    def _disassembly(self):
        return subprocess.run([f"{self.machine.cross}objdump", "-d", "--no-show-raw-insn",
                               str(self.elf.path)],
                              capture_output=True, text=True, check=True).stdout

    def return_from(self, name):
        """The address that the only call of function `name` returns to."""
        calls = re.findall(rf"^\s*([0-9a-f]+):\s+(?:{self.machine.call})\s.*<{name}>$",
                           self._disassembly(), re.M)
        if len(calls) != 1:
            raise KeyError(f"{self.elf.path.name} calls '{name}' in {len(calls)} places, not one")
        return int(calls[0], 16) + self.machine.call_bytes

    def idles(self):
        """
        [(address of an idle instruction, start of its function)]: interrupts may be let in between
        the two. Both also as they are untranslated.
        """
        linked = self.elf.functions()
        pairs = []
        for pc, word in re.findall(r"^\s*([0-9a-f]+):\s+(\S+)", self._disassembly(), re.M):
            if word == self.machine.idle:
                pc = int(pc, 16)
                start = next((start for start, end, _ in linked if start <= pc < end), pc)
                pairs += {(pc, start), (self.untranslated(pc), self.untranslated(start))}
        return pairs

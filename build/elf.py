# SPDX-License-Identifier: BSD-2-Clause
#
# Reads what the build needs of a 64-bit little-endian ELF file: sections and symbols.
# System V ABI, chapters 4 and 5 (ELF-64).

import struct
from collections import namedtuple

Section = namedtuple("Section", "name kind flags addr offset size link entry_size")
Symbol = namedtuple("Symbol", "name value size kind section")

SHT_SYMTAB, SHT_NOBITS = 2, 8
STT_FUNC = 2


class Elf:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path}: not a 64-bit little-endian ELF file")
        self.machine = struct.unpack_from("<H", self.data, 18)[0]
        self.sections = self._read_sections()
        self.symbols = self._read_symbols()
        self.address_of = {s.name: s.value for s in self.symbols}

    def _read_sections(self):
        offset, = struct.unpack_from("<Q", self.data, 40)
        entry_size, count, names = struct.unpack_from("<HHH", self.data, 58)
        raw = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * entry_size)
               for i in range(count)]
        base = raw[names][4]
        return [Section(self.string(base + r[0]), r[1], r[2], r[3], r[4], r[5], r[6], r[9])
                for r in raw]

    def _read_symbols(self):
        table = next(s for s in self.sections if s.kind == SHT_SYMTAB)
        strings = self.sections[table.link].offset
        entries = struct.iter_unpack("<IBBHQQ", self.bytes_of(table))
        return [Symbol(self.string(strings + name), value, size, info & 15, section)
                for name, info, _, section, value, size in entries]

    def string(self, offset):
        return self.data[offset:self.data.index(b"\0", offset)].decode()

    def section(self, name):
        return next((s for s in self.sections if s.name == name), None)

    def bytes_of(self, section):
        if section is None or section.kind == SHT_NOBITS:
            return b""
        return self.data[section.offset:section.offset + section.size]

    def functions(self):
        """Function symbols of the text, by address; of several names the first one stays."""
        low, high = self.address_of["__text_start"], self.address_of["__text_end"]
        found = {}
        for s in sorted(self.symbols, key=lambda s: (s.value, -s.size, s.name)):
            if s.kind == STT_FUNC and low <= s.value < high:
                found.setdefault(s.value, s)
        return list(found.values())

#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# nonpic_libgcc.py LIBGCC.A NEW.A: copy libgcc for MIPS without the marks of PIC (abicalls) code.
#
# Debian's is PIC. Most of its functions touch neither $gp nor the GOT, and those are all that our
# images take (image.ld and the linker refuse the others); without the marks the linker neither
# warns nor puts stubs in front of them that load $t9. System V ABI MIPS supplement (e_flags); ar(5).

import struct
import sys

EF_MIPS_PIC, EF_MIPS_CPIC = 2, 4
E_FLAGS = 48  # offset in an ELF-64 header


def main():
    source, target = sys.argv[1:3]
    with open(source, "rb") as file:
        data = bytearray(file.read())
    if data[:8] != b"!<arch>\n":
        sys.exit(f"{source}: not an archive")
    at = 8
    while at < len(data):
        size = int(data[at + 48:at + 58])
        member = at + 60
        if data[member:member + 4] == b"\x7fELF":
            flags, = struct.unpack_from("<I", data, member + E_FLAGS)
            struct.pack_into("<I", data, member + E_FLAGS, flags & ~(EF_MIPS_PIC | EF_MIPS_CPIC))
        at = member + size + size % 2
    with open(target, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-2-Clause
#
# How many bytes of an image come from which archive, from GNU ld's map file (ld --print-map).

import re
from pathlib import Path

# " .text.memcpy  0x0000ffff80001000  0x54 out/x/libc.a(lib_a-memcpy.o)", name perhaps on a line
# of its own.
PIECE = re.compile(r"^ (?:\.\S+|COMMON)?\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S+)$")
ARCHIVE = re.compile(r"([^/]+\.a)\(")
DISCARDED = "Discarded input sections"
PLACED = "Linker script and memory map"


def by_archive(path, loaded):
    """
    {archive or "objects": bytes} of what lies in `loaded`, [(start, end)]; empty when there is no
    map, or it is not of this form.
    """
    try:
        text = Path(path).read_text(errors="replace")
    except OSError:
        return {}
    if PLACED not in text:
        return {}
    sums = {}
    for line in text[text.index(PLACED):].splitlines():
        match = PIECE.match(line)
        if not match or not any(start <= int(match[1], 16) < end for start, end in loaded):
            continue  # debug information, for one
        archive = ARCHIVE.search(match[3])
        name = archive[1] if archive else "objects"
        sums[name] = sums.get(name, 0) + int(match[2], 16)
    return sums

# SPDX-License-Identifier: BSD-2-Clause
#
# Things that tests hand to QEMU: initial archives, hardware trees (damaged ones too), images that
# do nothing, and a small firmware that jumps to the image in ways that QEMU's own loader does not.
#
# Devicetree Specification v0.4; cpio "newc" format; Linux arm64 boot protocol (x0: FDT); ELF-64.

import struct
import subprocess
from pathlib import Path

SHIM = """
    .section .text
    .globl _start
_start:
    ldr x0, =FDT
    mov x1, #0
    mov x2, #0
    mov x3, #0
    ldr x4, =ENTRY
    br x4
"""
FDT_AT = 0x40000000     # where QEMU puts its tree when there is firmware
TOOLS = "aarch64-linux-gnu-"
# A branch to itself.
LOOPS = {"arm64": "00000014", "loongarch64": "00000050", "loongson3": "ffff001000000000"}
PT_LOAD = 1


def cpio(files):
    """An archive of {path: bytes}."""
    out = b""
    for name, data in [*files.items(), ("TRAILER!!!", b"")]:
        encoded = name.encode() + b"\0"
        fields = [1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        out += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return out


def firmware(directory, entry, fdt=FDT_AT):
    """A ROM for -bios that enters `entry` at the exception level that the machine starts with."""
    directory = Path(directory)
    source = directory / "shim.S"
    source.write_text(SHIM.replace("FDT", hex(fdt)).replace("ENTRY", hex(entry)), encoding="ascii")
    subprocess.run([f"{TOOLS}gcc-14", "-nostdlib", "-static", "-Wl,-Ttext=0,--build-id=none",
                    "-o", directory / "shim.elf", source], check=True)
    subprocess.run([f"{TOOLS}objcopy", "-O", "binary", "-j", ".text", directory / "shim.elf",
                    directory / "shim.bin"], check=True)
    return directory / "shim.bin"


def machine_fdt(directory, machine):
    """The tree that QEMU makes, without the slack that it leaves at the end."""
    path = Path(directory) / "machine.dtb"
    subprocess.run([machine.qemu, "-M", f"{machine.machine},dumpdtb={path}", "-cpu", machine.cpu,
                    "-m", machine.memory, "-nodefaults", "-display", "none"], check=True,
                   stderr=subprocess.DEVNULL)
    pack(path)
    return path


def pack(path):
    done = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dtb", "-S", "16384", path],
                          capture_output=True, check=True)
    Path(path).write_bytes(done.stdout)


def endless_loop(image, platform):
    """The image with a loop at its entry. `image`: a flat arm64 Image or an ELF file."""
    loop = bytes.fromhex(LOOPS[platform])
    if image[:4] != b"\x7fELF":
        return image[:64] + loop * 50000
    entry, table = struct.unpack_from("<QQ", image, 24)
    size, count = struct.unpack_from("<HH", image, 54)
    for at in range(table, table + size * count, size):
        kind, _, offset, _, physical, length = struct.unpack_from("<IIQQQQ", image, at)
        inside = (entry & 0x1fffffff) - physical    # the entry may be an address in a window
        if kind == PT_LOAD and 0 <= inside < length:
            where = offset + inside
            return image[:where] + loop + image[where + len(loop):]
    raise ValueError("the image's entry is in none of its segments")


def remove_node(path, node):
    subprocess.run(["fdtput", "-r", path, node], check=True)


def set_cells(path, node, name, *cells):
    subprocess.run(["fdtput", "-t", "x", path, node, name, *[f"{cell:x}" for cell in cells]],
                   check=True)


def set_string(path, node, name, text):
    subprocess.run(["fdtput", "-t", "s", path, node, name, text], check=True)


def header(data, **fields):
    """The blob with fields of its header replaced."""
    names = ["magic", "totalsize", "off_dt_struct", "off_dt_strings", "off_mem_rsvmap", "version",
             "last_comp_version", "boot_cpuid_phys", "size_dt_strings", "size_dt_struct"]
    values = list(struct.unpack(">10I", data[:40]))
    for name, value in fields.items():
        values[names.index(name)] = value
    return struct.pack(">10I", *values) + data[40:]

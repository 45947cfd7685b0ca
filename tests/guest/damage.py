# SPDX-License-Identifier: BSD-2-Clause
"""What a KASAN build must report of each case of damage.c, for run.py."""
import re
from collections import namedtuple

# What a KASAN build must say of each damage, as regular expressions. kind: how the first line
# begins; object: in that line or below; function: of the call chain.
Damage = namedtuple("Damage", "kind object function")
OUT, FREED = "out of bounds", "use after free"


DAMAGE = {
    "kmalloc-read-behind": Damage(OUT + ": read of 1 byte ",
                                  "0 bytes behind the object of 128 bytes", "load"),
    "kmalloc-write-behind": Damage(OUT + ": write of 1 byte ",
                                   "0 bytes behind the object of 128 bytes", "store"),
    "kmalloc-read-before": Damage(OUT, "object of 128 bytes .*, cache kmalloc-128", "load"),
    "kmalloc-in-class": Damage(OUT, "0 bytes behind the object of 13 bytes", "store"),
    "kcalloc-behind": Damage(OUT, "0 bytes behind the object of 60 bytes", "store"),
    "large-behind": Damage(OUT, "0 bytes behind the object of 40000 bytes", "store"),
    "edge-unaligned": Damage(OUT + ": read of 4 bytes ", "0 bytes behind the object of 16 bytes",
                             "load_unaligned"),
    "free-read": Damage(FREED + ": read", "byte 5 of the object of 128 bytes"
                        r"(.*\n)+.*allocated by free_read(.*\n)+.*freed     by free_read", "load"),
    "free-write": Damage(FREED + ": write", "byte 5 of the object of 128 bytes", "store"),
    "free-write-late": Damage(FREED + ": write", "byte 5 of the object of 128 bytes", "store"),
    "free-twice": Damage("slab: double free", "of kmalloc-128, 128 bytes", "free_twice"),
    "free-inside": Damage("slab: free of .* which is no object", "", "free_inside"),
    "krealloc-old": Damage(FREED, r"byte 0 of the object of 64 bytes(.*\n)+.*freed     by krealloc",
                           "load"),
    "cache-behind": Damage(OUT, "0 bytes behind the object of 40 bytes at .*, cache damage",
                           "store"),
    "cache-free": Damage(FREED, "byte 8 of the object of 40 bytes at .*, cache damage", "load"),
    "page-free": Damage(FREED, "a page that was freed", "store"),
    "block-free": Damage(FREED, "a page that was freed", "load"),
    "vmalloc-behind": Damage(OUT, "0 bytes behind what may be touched", "store"),
    "vmalloc-free": Damage(FREED, "addresses of no area, or of a freed one", "load"),
    "percpu-behind": Damage("(out of bounds|use after free)",
                            "0 bytes behind what may be touched", "store"),
    "stack-of-the-dead": Damage(FREED, "addresses of no area, or of a freed one", "load"),
    "wild": Damage("wild pointer", "memory that nobody has allocated", "store"),
    "stack-behind": Damage("stack " + OUT, '0 bytes behind the variable "buffer" of 13 bytes',
                           "store"),
    "stack-before": Damage("stack " + OUT, '1 byte before the variable "buffer" of 16 bytes',
                           "load"),
    "stack-scope": Damage("stack use after scope", 'byte 0 of the variable "inside"', "load"),
    "global-behind": Damage("global " + OUT, '0 bytes behind the global "damage_global"', "store"),
    "global-before": Damage("global " + OUT, '1 byte before the global "damage_global"', "load"),
    "static-behind": Damage("global " + OUT, '0 bytes behind the global ".*counters" of 24 bytes',
                            "store"),
    "rodata-behind": Damage("global " + OUT, '0 bytes behind the global ".*word" of 6 bytes',
                            "load"),
    "memcpy-source": Damage(OUT + ": read of 64 bytes", "0 bytes behind the object of 48 bytes",
                            "memcpy_source"),
    "memcpy-target": Damage(OUT + ": write of 50 bytes", "0 bytes behind the object of 48 bytes",
                            "memcpy_target"),
    "memset-behind": Damage(OUT + ": write of 101 bytes", "0 bytes behind the object of 100 bytes",
                            "memset_behind"),
    "memmove-behind": Damage(OUT + ": write of 32 bytes", "0 bytes behind the object of 32 bytes",
                             "memmove_behind"),
    "strcpy-target": Damage(OUT + ": write of 5 bytes", "0 bytes behind the object of 4 bytes",
                            "strcpy_target"),
    "strlen-source": Damage(OUT + ": read", "0 bytes behind the object of 8 bytes",
                            "strlen_source"),
    "malloc-behind": Damage(OUT, "0 bytes behind the object of 30 bytes", "store"),
    "malloc-free": Damage(FREED, "byte 1 of the object of 30 bytes", "load"),
    "snprintf-target": Damage(OUT + ": write", "behind the object of .* bytes", "snprintf_target"),
}
NOT_SEEN = b"guest: nobody saw the damage"


def matches(name, output):
    wanted = DAMAGE[name]
    begin = wanted.kind if wanted.kind.startswith("slab") else f"kasan: {wanted.kind}"
    return bool(re.search(rf"{begin}(.*\n)*?.*{wanted.object}", output)
                and f" {wanted.function}+0x" in output)


# The same for a UBSan build and undefined.c: the line of each function, in that order.
UNDEFINED = {
    "shift": r"shift by 40 of 'int'",
    "shift_sign": r"shift by -1 of 'int'",
    "add": r"2147483647 \+ 1 does not fit in 'int'",
    "subtract": r"-2147483648 - 1 does not fit in 'int'",
    "multiply": r"2147483647 \* 5 does not fit in 'int'",
    "divide": r"-2147483648 / -1 does not fit in 'int'",
    "negate": r"-\(-2147483648\) does not fit in 'int'",
    "bounds": r"index 5 is not in the array 'int ?\[4\]'",
    "boolean": r"3 is no value of '_?[Bb]ool'",
    "wrap": r"pointer 0xf*8 becomes 0x20: it wraps, or starts from null",
}
UNDEFINED_END = b"guest: undefined behaviour is behind us"

# SPDX-License-Identifier: BSD-2-Clause
#
# What the checks of a linked image must know of an instruction set, and a disassembler on top of
# GNU objdump, whose syntax the patterns are written for (registers by number, no aliases).
#
# Manuals: Arm ARM C4 (A64 encodings), LoongArch Reference Manual volume 1 chapter 2, MIPS64
# Instruction Set Manual (MD00087, r2).

import re
import subprocess
from collections import namedtuple

Instruction = namedtuple("Instruction", "address mnemonic operands target")

# `fp`, `banned`, `writes_percpu`: patterns over "mnemonic operands". `branch`: mnemonics of direct
# branches and calls; `call`: calls, indirect ones too; `jump` (a pattern over both), `leave`: direct
# and indirect branches that never fall through. `load`, `store`: mnemonics; an atomic operation is
# both. `stack`: a memory operand on the stack. `slots`: instructions that run between a branch and
# its target. `is_plain_access`: the encoding of a device access. `barrier`: what one orders.
Isa = namedtuple("Isa", "name options fp banned writes_percpu branch call jump leave load store "
                        "stack slots is_plain_access barrier")

ALL = {"RR", "RW", "WR", "WW", "device"}


def arm64_plain_access(word):
    """LDR/STR (immediate, unsigned offset), general register, offset 0, no sign extension."""
    return word & 0x3fbffc00 == 0x39000000


def loongarch_plain_access(word):
    """LD.{B,H,W,D,BU,HU,WU} and ST.{B,H,W,D} with offset 0."""
    return word >> 22 in range(0xa0, 0xab) and word >> 10 & 0xfff == 0


def mips_plain_access(word):
    """LB, LH, LW, LBU, LHU, LWU, LD, SB, SH, SW, SD with offset 0."""
    loads_and_stores = (0x20, 0x21, 0x23, 0x24, 0x25, 0x27, 0x37, 0x28, 0x29, 0x2b, 0x3f)
    return word >> 26 in loads_and_stores and word & 0xffff == 0


def arm64_barrier(insn):
    """What a barrier orders: pairs of R(ead) and W(rite), and those with device accesses. Devices
    are outside the inner domain."""
    if insn.mnemonic != "dmb":
        return set()
    return {"osh": ALL, "sy": ALL, "oshst": {"WW", "device"}, "st": {"WW", "device"},
            "oshld": {"RR", "RW"}, "ld": {"RR", "RW"}}.get(insn.operands, set())


def loongarch_barrier(insn):
    """Each of the hint's low four bits takes one kind of access out; only with bit 4 clear are
    accesses waited for, cached ones before uncached ones too."""
    if insn.mnemonic != "dbar":
        return set()
    hint = int(insn.operands, 0)
    before = [k for k, bit in (("R", 8), ("W", 4)) if not hint & bit]
    after = [k for k, bit in (("R", 2), ("W", 1)) if not hint & bit]
    order = {b + a for b in before for a in after}
    return order | {"device"} if hint < 16 else order if hint < 32 else set()


def mips_barrier(insn):
    """SYNC by its type."""
    if insn.mnemonic != "sync":
        return set()
    return {0: ALL, 4: {"WW"}, 16: ALL - {"device"}, 19: {"RR"}}.get(int(insn.operands or "0", 0), set())


NONE = re.compile(r"(?!)")

ISAS = {
    183: Isa(
        "arm64", "no-aliases",
        fp=re.compile(r"(?<![\w.])(?:[vqdshb]\d{1,2}(?:\.\w+)?|fpcr|fpsr)(?![\w.])"),
        banned=re.compile(r"tpidr_el0"),
        writes_percpu=NONE,
        branch=re.compile(r"(?:b|bl|b\.\w+|cbn?z|tbn?z)"),
        call=re.compile(r"blr?"),
        jump=re.compile(r"b "),
        leave=re.compile(r"ret|br|eret"),
        load=re.compile(r"ld.*|cas.*|swp.*"),
        store=re.compile(r"st.*|ld(?:add|clr|eor|set|u?max|u?min).*|cas.*|swp.*"),
        stack=re.compile(r"\[(?:sp|x29)\b"),
        slots=0,
        is_plain_access=arm64_plain_access,
        barrier=arm64_barrier),
    258: Isa(
        "loongarch64", "numeric,no-aliases",
        fp=re.compile(r"\$(?:f\d|fcc|fcsr|vr\d|xr\d|scr\d)"),
        banned=re.compile(r"\$(?:vr|xr)\d"),
        # The first operand is the destination, but for stores and conditional branches.
        writes_percpu=re.compile(r"(?!st|sc|b|csrwr|dbar|jirl)\S+\s+\$r21\b"),
        branch=re.compile(r"(?:b|bl|beq|bne|bltu?|bgeu?|beqz|bnez|bceqz|bcnez)"),
        call=re.compile(r"bl|jirl"),
        jump=re.compile(r"b "),
        leave=re.compile(r"jr|ret|ertn"),
        load=re.compile(r"ld.*|ll\..*|am.*"),
        store=re.compile(r"st.*|sc\..*|am.*"),
        stack=re.compile(r", \$r(?:3|22),"),
        slots=0,
        is_plain_access=loongarch_plain_access,
        barrier=loongarch_barrier),
    8: Isa(
        "mips64", "reg-names=numeric,cp0-names=numeric,no-aliases",
        fp=re.compile(r"\$(?:f\d|fcc|w\d)|^(?:[cm]|dm)[tf]h?c1\b|^bc1|^mov[tf]\b"),
        # UserLocal, which compilers take for a thread pointer.
        banned=re.compile(r"^rdhwr\s+\$\d+,\$29$"),
        writes_percpu=re.compile(r"(?!s[bhwd]\b|b|d?mt|cache|pref|jr\b|j\b)\S+\s+\$28\b"),
        branch=re.compile(r"(?:j|jal|b(?!reak)\w+)"),
        call=re.compile(r"jalr?(?:\.hb)?|b\w+zal"),
        jump=re.compile(r"j |beq \$0,\$0,"),
        leave=re.compile(r"jr(?:\.hb)?|eret"),
        load=re.compile(r"l[bhwd]u?|l[wd][lr]|lld?|lw[lr]"),
        store=re.compile(r"s[bhwd]|s[wd][lr]|scd?"),
        stack=re.compile(r"\(\$(?:29|30)\)"),
        slots=1,
        is_plain_access=mips_plain_access,
        barrier=mips_barrier),
}

LINE = re.compile(r"^\s*([0-9a-f]+):\s+([\w.]+)\s*([^<]*)")


def split_operands(text):
    """Operands, and the target if the text has one: its last word before the symbol's name."""
    text = re.split(r"//", text)[0].strip()
    words = re.split(r"[,\s]+", text.replace("#", " "))
    target = int(words[-1], 16) if re.fullmatch(r"(?:0x)?[0-9a-f]+", words[-1]) else None
    return text.split("#")[0].strip() if "\t#" in text else text, target


def disassemble(isa, objdump, path, start, stop):
    out = subprocess.run(
        [objdump, "-d", "-z", "--no-show-raw-insn", "-M", isa.options,
         f"--start-address={start:#x}", f"--stop-address={stop:#x}", path],
        check=True, capture_output=True, text=True)
    for line in out.stdout.splitlines():
        match = LINE.match(line)
        if match:
            operands, target = split_operands(match[3])
            branch = isa.branch.fullmatch(match[2])
            yield Instruction(int(match[1], 16), match[2], operands, target if branch else None)

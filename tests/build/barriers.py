#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# barriers.py ELF OBJDUMP ADDR2LINE: proves from the machine code of a linked image (optimised, with
# line tables) that the virtqueues' memory accesses stay in order (drivers/virtio/virtqueue.h):
#
#   publish   stores to the ring, BARRIER, store of the available index
#   notify    store of the available index, FULL BARRIER, load of the event index or flags
#   doorbell  stores to the ring, BARRIER, store to the doorbell (found through .mmio.sites)
#   pending   load of the used index, BARRIER, load of a used element
#   arm       store of the used event, FULL BARRIER, load of the used index
#
# Which access is which follows from the inline functions that its address lies in. The barrier must
# lie on every path through the function's flow graph, with no other store, call or entry closer.
# Fails as well when one of the five is nowhere to be found.

import struct
import subprocess
import sys
from collections import defaultdict, namedtuple
from os.path import abspath, dirname, join

sys.dont_write_bytecode = True
sys.path.insert(0, join(dirname(abspath(__file__)), "../../build"))
from elf import Elf  # noqa: E402
from isa import ISAS, disassemble  # noqa: E402

Node = namedtuple("Node", "insn chain is_load is_store is_call order")


def chains_of(addr2line, path, addresses):
    """For each address the functions it lies in, innermost first, and its outermost file."""
    out = subprocess.run([addr2line, "-a", "-i", "-f", "-e", path], check=True, text=True,
                         input="".join(f"{a:#x}\n" for a in addresses), capture_output=True).stdout
    found, lines = {}, []
    for line in out.splitlines():
        if line.startswith("0x"):
            lines = found.setdefault(int(line, 16), [])
        else:
            lines.append(line)
    return {a: ([name.split(".")[0] for name in lines[0::2]], lines[-1])
            for a, lines in found.items()}


class Function:
    """Flow graph of one function. A delay slot stands before its branch, as it runs."""

    def __init__(self, isa, symbol, code, chains):
        self.name, self.start = symbol.name, symbol.value
        self.nodes, self.calls, self.place = [], set(), {}
        self.after, self.before = defaultdict(set), defaultdict(set)
        self._order(isa, code, chains)
        self._connect(isa)

    def _order(self, isa, code, chains):
        code, i = list(code), 0
        while i < len(code):
            branch = code[i].target is not None or isa.leave.fullmatch(code[i].mnemonic) or \
                isa.call.fullmatch(code[i].mnemonic)
            count = 1 + (isa.slots if branch else 0)
            for insn in code[i:i + count]:
                self.place[insn.address] = len(self.nodes)
            for insn in reversed(code[i:i + count]):
                self.nodes.append(self._node(isa, insn, chains))
            i += count

    @staticmethod
    def _node(isa, insn, chains):
        stack = isa.stack.search(insn.operands)
        return Node(insn, chains.get(insn.address, ([], ""))[0],
                    bool(isa.load.fullmatch(insn.mnemonic)) and not stack,
                    bool(isa.store.fullmatch(insn.mnemonic)) and not stack,
                    bool(isa.call.fullmatch(insn.mnemonic)), isa.barrier(insn))

    def _connect(self, isa):
        for i, node in enumerate(self.nodes):
            insn = node.insn
            inside = insn.target is not None and insn.target in self.place
            if insn.target is not None and (node.is_call or not inside):
                self.calls.add(insn.target)  # or a branch to another function, as its last act
            elif inside:
                self._edge(i, self.place[insn.target])
            ends = isa.leave.fullmatch(insn.mnemonic) or \
                isa.jump.match(f"{insn.mnemonic} {insn.operands}")
            if not ends:
                self._edge(i, i + 1)

    def _is_padding(self, at):
        """Nothing runs into the instructions that align the code behind a jump."""
        return at > 0 and self.nodes[at].insn.mnemonic in ("nop", "hint", "sll")

    def _edge(self, a, b):
        if b < len(self.nodes):
            self.after[a].add(b)
            self.before[b].add(a)

    def walk(self, start, edges, is_done, is_bad, ends_well):
        """What lies on a path from `start` without a node that `is_done`: a node that `is_bad`,
        or the path's end if it must not end; None if all is well."""
        seen, todo = set(), [start]
        while todo:
            at = todo.pop()
            if not edges[at] and not ends_well and not self._is_padding(at):
                return "the function's entry"
            for i in edges[at] - seen:
                seen.add(i)
                if is_done(self.nodes[i]):
                    continue
                if is_bad(self.nodes[i]):
                    insn = self.nodes[i].insn
                    return f"{insn.mnemonic} {insn.operands} ({insn.address:#x})"
                todo.append(i)
        return None


def within(node, *names):
    """True if the innermost inline functions are `names`, inside out."""
    return node.chain[:len(names)] == list(names)


class Check:
    def __init__(self, path, objdump, addr2line):
        self.elf = Elf(path)
        self.isa = ISAS[self.elf.machine]
        sites = self.elf.bytes_of(self.elf.section(".mmio.sites"))
        self.sites = {site for site, in struct.iter_unpack("<Q", sites)}
        self.functions = list(self._read(path, objdump, addr2line))
        self.readers = self._readers()
        self.found = dict.fromkeys(("publish", "notify", "doorbell", "pending", "arm"), 0)

    def _read(self, path, objdump, addr2line):
        """The functions of the virtio drivers."""
        end = self.elf.address_of["__kernel_text_end"]
        symbols = [s for s in self.elf.functions() if s.value < end]
        files = chains_of(addr2line, path, [s.value for s in symbols])
        limits = [s.value for s in symbols[1:]] + [end]
        for symbol, limit in zip(symbols, limits):
            if "virtio" in files[symbol.value][1] or "virtqueue" in files[symbol.value][1]:
                code = list(disassemble(self.isa, objdump, path, symbol.value, limit))
                chains = chains_of(addr2line, path, [insn.address for insn in code])
                yield Function(self.isa, symbol, code, chains)

    def _readers(self):
        """Functions that load used elements, and those that call them."""
        readers = {f.start for f in self.functions if any(map(self.is_element, f.nodes))}
        while True:
            more = {f.start for f in self.functions if f.calls & readers} - readers
            if not more:
                return readers
            readers |= more

    @staticmethod
    def is_element(node):
        return node.is_load and within(node, "ring_load64")

    def is_doorbell(self, function, node):
        # Of the registers only doorbells are written where packets are, or in publish.
        return node.is_store and node.insn.address in self.sites and \
            ("virtqueue_publish" in node.chain or function.name.startswith(("vnet_", "tx_", "rx_")))

    def behind(self, function, at, orders, is_bad=None):
        """Backwards from node `at`: a barrier that does `orders`, before any other store."""
        strict = is_bad is None
        return function.walk(at, function.before, lambda n: orders <= n.order,
                             is_bad or (lambda n: n.is_store or n.is_call), ends_well=not strict)

    def ahead(self, function, at):
        """Forwards from a load of the used index: a barrier before any element is read."""
        return function.walk(
            at, function.after, lambda n: "RR" in n.order,
            lambda n: self.is_element(n) or n.insn.target in self.readers, ends_well=True)

    def check(self, function, at):
        """(kind, what is in the way) for each rule that the node is subject to."""
        node = function.nodes[at]
        if node.is_store and within(node, "ring_store16", "virtqueue_publish"):
            yield "publish", self.behind(function, at, {"WW"})
        if node.is_load and within(node, "ring_load16", "virtqueue_wants_notify"):
            yield "notify", self.behind(function, at, {"WR"})
        if node.is_load and within(node, "ring_load16", "virtqueue_arm"):
            yield "arm", self.behind(function, at, {"WR"})
        if node.is_load and within(node, "ring_load16", "virtqueue_pending"):
            yield "pending", self.ahead(function, at)
        if self.is_doorbell(function, node):
            # A doorbell that is rung again, without new ring contents, may come first.
            ring = None if "virtqueue_publish" in node.chain else \
                lambda n: n.is_store and {"ring_store16", "tx_run", "rx_post"} & set(n.chain)
            yield "doorbell", self.behind(function, at, {"WW", "device"}, ring)

    def breaches(self):
        for function in self.functions:
            for at, node in enumerate(function.nodes):
                for kind, bad in self.check(function, at):
                    self.found[kind] += 1
                    if bad:
                        yield (f"{function.name}+{node.insn.address - function.start:#x}: {kind}: "
                               f"no barrier between {bad} and {node.insn.mnemonic} "
                               f"{node.insn.operands}")
        for kind, number in self.found.items():
            if not number:
                yield f"{kind}: there is no such access"


def main():
    check = Check(*sys.argv[1:4])
    breaches = list(check.breaches())
    for breach in breaches:
        print(f"{sys.argv[1]}: {breach}", file=sys.stderr)
    if breaches:
        sys.exit(1)
    print("barriers: " + ", ".join(f"{n} {kind}" for kind, n in check.found.items()))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: BSD-2-Clause
#
# The checks at the link must fail when they should: small images that break one rule each, built
# with the real flags and linker script of each machine, and the barrier proof on the router's
# images (which must be there) with one barrier taken out.

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "build"), str(ROOT / "tests/build")]
import barriers  # noqa: E402

PLATFORMS = ["arm64", "loongarch64", "loongson3"]

# What breaks a rule, in each machine's words.
FP = {"arm64": "fmov d0, xzr", "loongarch64": "movgr2fr.d $f0, $r0", "loongson3": "dmtc1 $0, $f0"}
FP_CONTROL = {"arm64": "msr fpcr, xzr", "loongarch64": "movgr2fcsr $r0, $r0",
              "loongson3": "ctc1 $0, $31"}
BANNED = {"arm64": "mrs x0, tpidr_el0", "loongarch64": "vadd.b $vr0, $vr0, $vr0",
          "loongson3": "rdhwr $3, $29"}
PERCPU = {"loongarch64": "addi.d $r21, $r21, 8", "loongson3": "ld $28, 0($4)"}
NOT_PLAIN = {
    "arm64": ["ldr w1, [x0, #4]", "ldp w1, w2, [x0]", "ldr w1, [x0, x2]", "ldr w1, [x0], #4",
              "ldrsw x1, [x0]", "str q0, [x0]", "ldar w1, [x0]"],
    "loongarch64": ["ld.w $r5, $r4, 4", "ldx.w $r5, $r4, $r6", "ldptr.w $r5, $r4, 0",
                    "ll.w $r5, $r4, 0", "fst.d $f0, $r4, 0"],
    "loongson3": ["lw $5, 4($4)", "lwl $5, 0($4)", "ll $5, 0($4)", "sdc1 $f0, 0($4)"],
}

HEAD = """
#include "arch/mmio.h"
__attribute__((noinline)) void kernel(void);
void app(void);
void (*volatile start_app)(void) = app;
__attribute__((section(".head.text"))) void image_header(void) { kernel(); start_app(); }
"""
KERNEL = "void kernel(void) { arch_mmio_write32(0x1000, arch_mmio_read32(0x2000)); }\n"
APP = "void app(void) { }\n"


class Builder:
    """Compiles and links small images with what build/rules.mk uses for the real ones."""

    def __init__(self, platform, folder, llvm=""):
        self.platform, self.folder, self.llvm = platform, folder, llvm
        shown = self.run("make", "-s", "-f", "build/rules.mk", f"PLATFORM={platform}",
                         f"LLVM={llvm}", f"OUT={folder}", f"{folder}/image.ld", "--eval",
                         r"show: ; $(info $(CC) -ffreestanding -O2 $(ARCH_FLAGS) $(CODE_FLAGS)"
                         r" -I. $(addprefix -I,$(PLATFORM_DIRS)))$(info $(KERNEL_FLAGS))"
                         r"$(info $(LD) $(LDFLAGS))$(info $(OBJDUMP))@:", "show").stdout
        self.cc, self.kernel_flags, self.ld, self.objdump = (
            line.split() for line in shown.splitlines())

    def run(self, *command, ok=True):
        return subprocess.run(command, cwd=ROOT, check=ok, capture_output=True, text=True)

    def compile(self, name, source, flags=()):
        c, o = self.folder / f"{name}.c", self.folder / f"{name}.o"
        c.write_text(source)
        self.run(*self.cc, *flags, "-c", str(c), "-o", str(o))
        return str(o)

    def link(self, extra="", kernel=KERNEL, app=APP, app_flags=()):
        """The linker's messages, and what check_image.py says if it got as far. `extra` is kernel
        code that is compiled as nobody should: without the flags that bar registers."""
        if extra:
            kernel = "void wrong(void);" + kernel.replace("{ ", "{ wrong(); ", 1)
        objects = [self.compile("kernel.k", HEAD + kernel, self.kernel_flags),
                   self.compile("extra.k", extra), self.compile("app", app, app_flags)]
        elf = str(self.folder / "image.elf")
        done = self.run(*self.ld, "-o", elf, *objects, ok=False)
        if done.returncode:
            return done.stderr, ""
        done = self.run("build/check_image.py", elf, elf, *self.objdump, ok=False)
        assert bool(done.returncode) == bool(done.stderr), done.stdout + done.stderr
        return "", done.stderr


@pytest.fixture(params=PLATFORMS)
def builder(request, tmp_path):
    return Builder(request.param, tmp_path)


@pytest.fixture(params=[(p, llvm) for p in PLATFORMS for llvm in ("", "1")],
                ids=lambda param: param[0] + ("-llvm" if param[1] else ""))
def any_linker(request, tmp_path):
    return Builder(request.param[0], tmp_path, request.param[1])


def instruction(text, where="wrong"):
    return f'void {where}(void) {{ __asm__ volatile("{text}"); }}\n'


def test_a_good_image_passes(builder):
    assert builder.link() == ("", "")


def test_fp_register_in_kernel_text(builder):
    for text in (FP, FP_CONTROL):
        linker, check = builder.link(instruction(text[builder.platform]))
        assert not linker and "wrong uses an FP register" in check


def test_fp_register_in_application_text(builder):
    assert builder.link(app=instruction(FP[builder.platform], "app")) == ("", "")


def test_a_granted_exception_passes(builder):
    granted = "void wrong(void) { fp_state_save(); }"
    extra = instruction(FP[builder.platform], "fp_state_save") + granted
    assert builder.link("__attribute__((noinline)) " + extra) == ("", "")


def test_call_into_application_text(builder):
    linker, check = builder.link("void app(void); void wrong(void) { app(); app(); }")
    assert not linker and "wrong (kernel) calls app (application)" in check


def test_device_access_that_is_not_plain(builder):
    for text in NOT_PLAIN[builder.platform]:
        site = rf'1: .pushsection .mmio.sites, \"\", %progbits\n.quad 1b\n.popsection\n{text}'
        linker, check = builder.link(instruction(site))
        assert not linker and "is no plain load or store" in check, text


def test_image_without_device_accesses(builder):
    linker, check = builder.link(kernel="void kernel(void) { }")
    assert not linker and "no device access is recorded" in check


@pytest.mark.parametrize("initial", ["", " = 5"])
def test_thread_local_variable(any_linker, initial):
    app = f"_Thread_local int variable{initial}; void app(void) {{ variable++; }}"
    linker, _ = any_linker.link(app=app)
    assert "thread-local" in linker or "TLS" in linker


def test_thread_pointer_and_vector_registers(builder):
    linker, check = builder.link(app=instruction(BANNED[builder.platform], "app"))
    assert not linker and "register that threads do not have" in check


def test_write_of_the_percpu_register(builder):
    if builder.platform in PERCPU:
        linker, check = builder.link(app=instruction(PERCPU[builder.platform], "app"))
        assert not linker and "app writes the register of the per-CPU base" in check


def test_position_independent_code(any_linker):
    app = "extern int elsewhere; int elsewhere; void app(void) { elsewhere++; }"
    flags = ["-fPIC"]
    if any_linker.platform == "loongson3":
        if any_linker.llvm:
            return  # clang has no such code for this target; the linker is GCC's anyway
        flags.append("-mabicalls")
    if any_linker.platform == "loongarch64" and not any_linker.llvm:
        flags.append("-mno-direct-extern-access")
    linker, _ = any_linker.link(app=app, app_flags=flags)
    assert "position-independent" in linker or "small data" in linker, linker


def test_small_data(any_linker):
    app = '__attribute__((section(".sdata"))) int x = 1; void app(void) { x++; }'
    linker, _ = any_linker.link(app=app)
    assert "small data" in linker


def test_section_that_the_script_does_not_know(any_linker):
    app = '__attribute__((section("surprise"))) int x = 1; void app(void) { x++; }'
    linker, _ = any_linker.link(app=app)
    assert "surprise" in linker


# ---- Barriers ------------------------------------------------------------------------------------

def kinds(check):
    check.found = dict.fromkeys(check.found, 0)
    return {re.search(r": (\w+): ", breach)[1] for breach in check.breaches()}


@pytest.fixture(scope="module", params=[p + kind for kind in ("", "-llvm") for p in PLATFORMS])
def router(request):
    machine = (ROOT / f"build/{request.param.removesuffix('-llvm')}.mk").read_text()
    tools = re.search(r"CROSS\s*:= (\S+)", machine)[1]
    return barriers.Check(str(ROOT / f"out/{request.param}/router.elf"), tools + "objdump",
                          tools + "addr2line")


def test_the_router_has_its_barriers(router):
    assert kinds(router) == set()


def replaced(check, needed, order):
    """What is missed when each barrier that does `needed` does no more than `order`, by turns."""
    for function in check.functions:
        for i, node in enumerate(function.nodes):
            if needed <= node.order:
                function.nodes[i] = node._replace(order=order)
                yield kinds(check)
                function.nodes[i] = node


def test_each_barrier_is_missed(router):
    missed = list(replaced(router, {"WW"}, set()))
    assert set().union(*missed) >= {"publish", "notify", "doorbell", "arm"}
    assert sum("publish" in kind for kind in missed) == router.found["publish"]
    missed = list(replaced(router, {"RR"}, set()))
    assert sum("pending" in kind for kind in missed) == router.found["pending"]


def test_a_weaker_barrier_is_not_enough(router):
    """A full barrier that became one for stores only: the event index may be read too early."""
    weakened = set().union(*replaced(router, {"WR"}, {"WW", "device"}))
    assert {"notify", "arm"} <= weakened and "publish" not in weakened
    # One that orders cached accesses only: the doorbell may overtake the ring.
    assert "doorbell" in set().union(*replaced(router, {"WR"}, {"RR", "RW", "WR", "WW"}))

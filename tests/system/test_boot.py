# SPDX-License-Identifier: BSD-2-Clause
#
# How the router is entered and what it is given: memory sizes, load addresses, exception levels,
# kernel options, and hardware trees that lie. Whatever comes, there is a message, never a hang.
# Damaged tables of the Loongson machines' firmware: test_boot_tables.py.

import re
import struct
import time
from contextlib import contextmanager

import pytest

from rig import blobs
from rig import frames as fr
from rig.machine import CONFIG
from rig.router import IMAGE, MACHINE, PLATFORM, Router

FDT_AT = {"arm64": 0x46000000, "loongarch64": 0x100000}.get(PLATFORM)
ENTRY = 0x40200000
SPEAKS = 20     # seconds until it must have said why

needs_fdt = pytest.mark.skipif(not FDT_AT, reason="its hardware tree is built in")
arm64_only = pytest.mark.skipif(PLATFORM != "arm64", reason="entry protocol of ARM64")

# What the tests below change in the machine's own tree. `controllers`: the one that the CPU listens
# to first. `circle`: two nodes that can be made each other's interrupt parent, with the bus below.
NODES = {
    "arm64": {
        "memory": ["/memory@40000000"], "controllers": ["/intc@8000000"], "timer": "/timer",
        "pcie": "/pcie@10000000", "fw_cfg": "/fw-cfg@9020000", "uart": "/pl011@9000000",
        "power": ["/psci"], "circle": ("/gpio-keys", "/timer"), "orphan": "/",
        "elsewhere": 0x80000000},
    "loongarch64": {
        "memory": ["/memory@0", "/memory@80000000"],
        "controllers": ["/cpuic", "/eiointc@1400", "/platic@10000000"], "timer": None,
        "pcie": "/pcie@20000000", "fw_cfg": "/fw_cfg@1e020000", "uart": "/serial@1fe001e0",
        "power": ["/poweroff", "/reboot", "/ged@100e001c"],
        "circle": ("/eiointc@1400", "/platic@10000000"), "orphan": "/platic@10000000",
        "elsewhere": 0x90000000},
    "loongson3": {"controllers": []},
}[PLATFORM]
MEMORY = {"arm64": ["16M", "17M", "64M", "512M", "1G", "3G", "4G"],
          "loongarch64": ["128M", "256M", "257M", "512M", "1G", "4G"],
          "loongson3": ["512M", "513M", "1G", "4G"]}[PLATFORM]


def load(path, address):
    return ["-device", f"loader,file={path},addr={address:#x},force-raw=on"]


@contextmanager
def entered(tmp_path, *, entry=ENTRY, fdt=None, **options):
    """
    A router that has been entered with the tree `fdt` (a file) or QEMU's own. Not waited for. On
    ARM64 our own firmware jumps into it at `entry`, elsewhere memory is changed before it runs.
    """
    if PLATFORM == "arm64":
        shim = blobs.firmware(tmp_path, entry, FDT_AT if fdt else blobs.FDT_AT)
        extra = ["-bios", str(shim), *load(IMAGE, entry), *options.pop("extra", [])]
        if fdt:
            extra += load(fdt, FDT_AT)
        router = Router(image=None, extra=extra, **options).start()
    else:
        router = Router(frozen=True, **options).start()
        if fdt:
            router.gdb.write(FDT_AT, fdt.read_bytes())
        router.thaw()
    with router:
        yield router


@pytest.fixture(scope="session")
def good_fdt(tmp_path_factory):
    return blobs.machine_fdt(tmp_path_factory.mktemp("fdt"), MACHINE)


@pytest.fixture
def fdt(good_fdt, tmp_path):
    path = tmp_path / "tree.dtb"
    path.write_bytes(good_fdt.read_bytes())
    return path


def forwards(router):
    router.boot()
    router.warm()
    router.passes(fr.udp())
    router.passes(fr.udp(1, size=1514), port=1)


# ---- memory ----------------------------------------------------------------------------------

@pytest.mark.parametrize("memory", MEMORY)
def test_memory(memory):
    """All that there is, and nothing twice; what lies above a hole is there to be used."""
    with Router(memory=memory) as router:
        forwards(router)
        text = router.console.command("show memory")
        found, free = (int(re.search(rf"{word} +(\d+) KiB", text).group(1))
                       for word in ("RAM", "free"))
        size = router.machine.ram_kib
        assert size - 64 <= found <= size, text
        assert size - 16384 - size // 32 <= free <= found, text


@pytest.mark.parametrize("size", ["4K", "64K", "300K", "1M", "2500K", "3M", "4M", "5M", "6M",
                                  "8M"])
def test_too_little_memory(size):
    """It forwards, perhaps with fewer packets in flight, or says what it lacks."""
    router = Router(append=f"mem={size}").start()
    with router:
        match = router.console.expect(r"[\w.-]+# |panic.*memory|too few", SPEAKS)
        if not match.group(0).endswith(b"# "):
            return
        router.booted = True
        if not MACHINE.fw_cfg:  # the archive with the configuration lies beyond this memory
            for line in ("configure", *CONFIG.splitlines(), "commit", "end"):
                router.console.command(line)
        forwards(router)


def test_mem_option():
    """`mem=` keeps the rest untouched."""
    with Router(append="mem=96M") as router:
        assert re.search(r"RAM +98304 KiB", router.console.command("show memory"))
        forwards(router)


def test_mem_option_nonsense():
    """A value that cannot be is named and ignored."""
    with Router(append="mem=lots nonsense=1") as router:
        text = router.console.text()
        assert "'mem=lots'" in text and "'nonsense=1'" in text
        assert re.search(rf"RAM +{MACHINE.ram_kib} KiB", router.console.command("show memory"))


def test_loglevel_option():
    """As on Linux: levels below the number reach the console, debugging lines with 8."""
    with Router(append="loglevel=8") as verbose, Router(append="loglevel=3") as quiet:
        assert "virtio-net 00:01.0: accepted" in verbose.console.text()
        assert "link up" not in quiet.console.text()


# ---- entry -----------------------------------------------------------------------------------

@arm64_only
@pytest.mark.parametrize("entry", [0x40400000, 0x40a00000, 0x43e00000, 0x47000000])
@pytest.mark.parametrize("machine", [MACHINE.machine, MACHINE.machine + ",virtualization=on"],
                         ids=["EL1", "EL2"])
def test_any_load_address(tmp_path, entry, machine):
    """Any 2 MiB boundary, in the first and in the second half of memory."""
    with entered(tmp_path, entry=entry, machine=machine) as router:
        forwards(router)


@arm64_only
def test_entry_at_el3_is_refused(tmp_path):
    with entered(tmp_path, machine=MACHINE.machine + ",secure=on") as router:
        router.console.expect("EL3, which is not supported", SPEAKS)
        router.collect(1)
        assert "#" not in router.console.text()


@needs_fdt
def test_no_fdt(tmp_path):
    """There are only zeros: no console is known, but the CPU must not run wild either."""
    path = tmp_path / "nothing"
    path.write_bytes(bytes(4096))
    with entered(tmp_path, fdt=path) as router:
        assert_quiet(router)


# ---- the hardware tree -----------------------------------------------------------------------

def settles(router, words="# |panic|tree|memory"):
    """
    It comes up, or says something, or the CPU stands still: no hang and no silent loop. What it
    has said.
    """
    end = time.monotonic() + SPEAKS
    while time.monotonic() < end:
        try:
            return router.console.expect(words, 0.6).group(0)
        except AssertionError:
            if not router.alive() or router.idle(0.6):
                return b""
    raise AssertionError(f"busy and silent for {SPEAKS} s")


def assert_quiet(router):
    """No prompt, and the machine idles or has ended."""
    assert not settles(router, "# ")


@needs_fdt
def test_good_fdt(tmp_path, fdt):
    """The way that the tests below take works with a good tree."""
    with entered(tmp_path, fdt=fdt) as router:
        forwards(router)


@needs_fdt
def test_fdt_without_memory(tmp_path, fdt):
    for node in NODES["memory"]:
        blobs.remove_node(fdt, node)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("no usable memory", SPEAKS)


@needs_fdt
def test_fdt_memory_elsewhere(tmp_path, fdt):
    """The image is not in the memory that the tree names."""
    only_memory(fdt, 0, NODES["elsewhere"], 0, 0x1000000)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("panic|memory|error", SPEAKS)


def only_memory(fdt, *cells):
    """One memory node is left, with these cells as its `reg`."""
    first, *others = NODES["memory"]
    for node in others:
        blobs.remove_node(fdt, node)
    blobs.set_cells(fdt, first, "reg", *cells)


@needs_fdt
@pytest.mark.parametrize("cells", [(0, 0x40000000, 0, 0), (0xffffffff, 0xfffff000, 0, 0x10000),
                                   (0, 0x40000000), ()],
                         ids=["empty", "wraps", "short", "absent"])
def test_fdt_senseless_memory(tmp_path, fdt, cells):
    only_memory(fdt, *cells)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("memory", SPEAKS)


@needs_fdt
@pytest.mark.parametrize("node", NODES["controllers"])
def test_fdt_without_interrupt_controller(tmp_path, fdt, node):
    """Without the first nothing works; what hangs on one further out is named."""
    blobs.remove_node(fdt, node)
    with entered(tmp_path, fdt=fdt) as router:
        first = node == NODES["controllers"][0]
        router.console.expect("interrupt controller" if first else "interrupt|irq|failed", SPEAKS)


@needs_fdt
@pytest.mark.skipif(not NODES.get("timer"), reason="its timer is part of the CPU")
def test_fdt_without_timer(tmp_path, fdt):
    blobs.remove_node(fdt, NODES["timer"])
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("timer", SPEAKS)


@needs_fdt
def test_fdt_without_pcie(tmp_path, fdt):
    """No bus, no ports: said, and the console works."""
    blobs.remove_node(fdt, NODES["pcie"])
    with entered(tmp_path, fdt=fdt) as router:
        router.boot()
        router.console.find("no network port found")


@needs_fdt
def test_fdt_without_fw_cfg(tmp_path, fdt):
    """No source from outside: the built-in configuration."""
    blobs.remove_node(fdt, NODES["fw_cfg"])
    with entered(tmp_path, fdt=fdt) as router:
        router.boot()
        assert "config: from built-in default" in router.console.text()


@needs_fdt
def test_fdt_without_power_off(tmp_path, fdt):
    """`poweroff` has nothing to call: it says so and the prompt comes back."""
    for node in NODES["power"]:
        blobs.remove_node(fdt, node)
    with entered(tmp_path, fdt=fdt) as router:
        forwards(router)
        assert router.console.command("poweroff").strip()


@needs_fdt
def test_fdt_cyclic_interrupt_parents(tmp_path, fdt):
    """Two nodes that are each other's interrupt parent, with the bus below them."""
    for node, own, parent in zip(NODES["circle"], (0x7001, 0x7002), (0x7002, 0x7001)):
        blobs.set_cells(fdt, node, "phandle", own)
        blobs.set_cells(fdt, node, "interrupt-parent", parent)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("# |timer|interrupt|irq", SPEAKS)


@needs_fdt
def test_fdt_interrupt_parent_is_itself(tmp_path, fdt):
    blobs.set_cells(fdt, NODES["uart"], "phandle", 0x7003)
    blobs.set_cells(fdt, NODES["uart"], "interrupt-parent", 0x7003)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("# |pl011|ns16550|irq", SPEAKS)


@needs_fdt
def test_fdt_unknown_interrupt_parent(tmp_path, fdt):
    """Nothing has the phandle that is named."""
    blobs.set_cells(fdt, NODES["orphan"], "interrupt-parent", 0x7777)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("interrupt|timer|irq|failed", SPEAKS)


@needs_fdt
def test_fdt_without_stdout_path(tmp_path, fdt):
    """The console is found all the same, or nothing hangs."""
    blobs.set_string(fdt, "/chosen", "stdout-path", "/no/such/node")
    with entered(tmp_path, fdt=fdt) as router:
        request = fr.echo()
        router.wait(lambda: all(link.arps for link in router.links), 30, "its announcements")
        out = router.exchange(request)
        fr.assert_echo_reply(out[0][0], request)


@needs_fdt
def test_fdt_initrd_outside_of_memory(tmp_path, fdt):
    blobs.set_cells(fdt, "/chosen", "linux,initrd-start", 0, 0x90000000)
    blobs.set_cells(fdt, "/chosen", "linux,initrd-end", 0, 0x90100000)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("initrd", SPEAKS)
        forwards(router)


@needs_fdt
@pytest.mark.parametrize("cells", [(0, 0x47000000, 0, 0x46000000), (0, 0, 0xffffffff, 0xffffffff)],
                         ids=["backwards", "everything"])
def test_fdt_senseless_initrd(tmp_path, fdt, cells):
    blobs.set_cells(fdt, "/chosen", "linux,initrd-start", *cells[:2])
    blobs.set_cells(fdt, "/chosen", "linux,initrd-end", *cells[2:])
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("# |initrd|memory", SPEAKS)


@needs_fdt
@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.5, 0.8, 0.95])
def test_fdt_truncated(tmp_path, fdt, part):
    """Only the beginning is there, zeros follow: said where a console is known, quiet elsewhere."""
    data = fdt.read_bytes()
    fdt.write_bytes(data[:int(len(data) * part) & ~3] + bytes(len(data)))
    with entered(tmp_path, fdt=fdt) as router:
        settles(router)


BROKEN = {"magic": 0x12345678, "totalsize": 0x7fffffff, "off_dt_struct": 0x7ffffff0,
          "off_dt_strings": 0xfffffff0, "off_mem_rsvmap": 0x7ffffff8, "version": 1,
          "size_dt_strings": 0xffffffff, "size_dt_struct": 0xfffffffc}


@needs_fdt
@pytest.mark.parametrize("field", BROKEN)
def test_fdt_broken_header(tmp_path, fdt, field):
    fdt.write_bytes(blobs.header(fdt.read_bytes(), **{field: BROKEN[field]}))
    with entered(tmp_path, fdt=fdt) as router:
        settles(router)


@needs_fdt
def test_fdt_without_end(tmp_path, fdt):
    """The structure block runs on into what is no token."""
    data = bytearray(fdt.read_bytes())
    start, size = struct.unpack(">I", data[8:12])[0], struct.unpack(">I", data[36:40])[0]
    data[start + size - 8:start + size] = b"\xff" * 8
    fdt.write_bytes(data)
    with entered(tmp_path, fdt=fdt) as router:
        settles(router)


def test_configuration_survives_bad_options():
    """The longest command line, all of it nonsense."""
    with Router(append=" ".join(f"x{i}=y" for i in range(300)), config=CONFIG) as router:
        forwards(router)

# SPDX-License-Identifier: BSD-2-Clause
#
# How the router is entered and what it is given: memory sizes, load addresses, exception levels,
# kernel options, and hardware trees that lie. Whatever comes, there is a message, never a hang.

import re
import struct
from contextlib import contextmanager

import pytest

from rig import blobs
from rig import frames as fr
from rig.machine import CONFIG
from rig.router import IMAGE, PLATFORM, Router

pytestmark = pytest.mark.skipif(PLATFORM != "arm64", reason="entry protocol of ARM64")

MACHINE, CPU, MEMORY = "virt,gic-version=3", "cortex-a72", "128M"
FDT_AT = 0x46000000
ENTRY = 0x40200000
SPEAKS = 20     # seconds until it must have said why


def load(path, address):
    return ["-device", f"loader,file={path},addr={address:#x},force-raw=on"]


@contextmanager
def entered(tmp_path, *, entry=ENTRY, fdt=None, **options):
    """
    A router that our own firmware has jumped into at `entry`, with the tree `fdt` (a file) or
    QEMU's own. Not waited for.
    """
    shim = blobs.firmware(tmp_path, entry, FDT_AT if fdt else blobs.FDT_AT)
    extra = ["-bios", str(shim), *load(IMAGE, entry), *options.pop("extra", [])]
    if fdt:
        extra += load(fdt, FDT_AT)
    router = Router(image=None, extra=extra, **options).start()
    with router:
        yield router


@pytest.fixture(scope="session")
def good_fdt(tmp_path_factory):
    return blobs.machine_fdt(tmp_path_factory.mktemp("fdt"), MACHINE, CPU, MEMORY)


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

@pytest.mark.parametrize("memory", ["16M", "17M", "64M", "1G", "3G"])
def test_memory(memory):
    with Router(memory=memory) as router:
        forwards(router)
        found = int(re.search(r"RAM +(\d+) KiB", router.console.command("show memory")).group(1))
        size = int(memory[:-1]) << (10 if memory[-1] == "M" else 20)
        assert size - 64 <= found <= size


@pytest.mark.parametrize("size", ["4K", "64K", "300K", "1M", "2500K", "3M", "4M", "5M", "6M",
                                  "8M"])
def test_too_little_memory(size):
    """It forwards, perhaps with fewer packets in flight, or says what it lacks."""
    router = Router(append=f"mem={size}", memory="16M").start()
    with router:
        match = router.console.expect(r"[\w.-]+# |memory|too few", SPEAKS)
        if match.group(0).endswith(b"# "):
            router.booted = True
            forwards(router)


def test_mem_option():
    """`mem=` keeps the rest untouched."""
    with Router(append="mem=32M") as router:
        assert re.search(r"RAM +32768 KiB", router.console.command("show memory"))
        forwards(router)


def test_mem_option_nonsense():
    """A value that cannot be is named and ignored."""
    with Router(append="mem=lots nonsense=1") as router:
        text = router.console.text()
        assert "'mem=lots'" in text and "'nonsense=1'" in text
        assert re.search(r"RAM +131072 KiB", router.console.command("show memory"))


def test_loglevel_option():
    """As on Linux: levels below the number reach the console, debugging lines with 8."""
    with Router(append="loglevel=8") as verbose, Router(append="loglevel=3") as quiet:
        assert "virtio-net 00:01.0: accepted" in verbose.console.text()
        assert "link up" not in quiet.console.text()


# ---- entry -----------------------------------------------------------------------------------

@pytest.mark.parametrize("entry", [0x40400000, 0x40a00000, 0x43e00000, 0x47000000])
@pytest.mark.parametrize("machine", [MACHINE, MACHINE + ",virtualization=on"], ids=["EL1", "EL2"])
def test_any_load_address(tmp_path, entry, machine):
    """Any 2 MiB boundary, in the first and in the second half of memory."""
    with entered(tmp_path, entry=entry, machine=machine) as router:
        forwards(router)


def test_entry_at_el3_is_refused(tmp_path):
    with entered(tmp_path, machine=MACHINE + ",secure=on") as router:
        router.console.expect("EL3, which is not supported", SPEAKS)
        router.collect(1)
        assert "#" not in router.console.text()


def test_no_fdt(tmp_path):
    """x0 leads nowhere: no console is known, but the CPU must not run wild either."""
    path = tmp_path / "nothing"
    path.write_bytes(bytes(4096))
    with entered(tmp_path, fdt=path) as router:
        assert_quiet(router)


# ---- the hardware tree -----------------------------------------------------------------------

def assert_quiet(router):
    """No prompt, and the machine idles or has ended: the program counter stays where it is."""
    try:
        router.collect(0.5)
        router.qmp.run("stop")
        first = program_counter(router)
        router.qmp.run("cont")
        router.collect(0.5)
        router.qmp.run("stop")
        assert first == program_counter(router), "the CPU is busy"
    except AssertionError:
        if router.alive():
            raise
    assert "# " not in router.console.text()


def program_counter(router):
    text = router.qmp.run("human-monitor-command", **{"command-line": "info registers"})
    return re.search(r"PC=([0-9a-f]+)", text).group(1)


def test_good_fdt(tmp_path, fdt):
    """The way that the tests below take works with a good tree."""
    with entered(tmp_path, fdt=fdt) as router:
        forwards(router)


def test_fdt_without_memory(tmp_path, fdt):
    blobs.remove_node(fdt, "/memory@40000000")
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("no usable memory", SPEAKS)


def test_fdt_memory_elsewhere(tmp_path, fdt):
    """The image is not in the memory that the tree names."""
    blobs.set_cells(fdt, "/memory@40000000", "reg", 0, 0x80000000, 0, 0x1000000)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("panic|memory|error", SPEAKS)


@pytest.mark.parametrize("cells", [(0, 0x40000000, 0, 0), (0xffffffff, 0xfffff000, 0, 0x10000),
                                   (0, 0x40000000), ()],
                         ids=["empty", "wraps", "short", "absent"])
def test_fdt_senseless_memory(tmp_path, fdt, cells):
    blobs.set_cells(fdt, "/memory@40000000", "reg", *cells)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("memory", SPEAKS)


def test_fdt_without_interrupt_controller(tmp_path, fdt):
    blobs.remove_node(fdt, "/intc@8000000")
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("interrupt controller", SPEAKS)


def test_fdt_without_timer(tmp_path, fdt):
    blobs.remove_node(fdt, "/timer")
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("timer", SPEAKS)


def test_fdt_without_pcie(tmp_path, fdt):
    """No bus, no ports: said, and the console works."""
    blobs.remove_node(fdt, "/pcie@10000000")
    with entered(tmp_path, fdt=fdt) as router:
        router.boot()
        assert "no network port found" in router.console.text()


def test_fdt_without_fw_cfg(tmp_path, fdt):
    """No source from outside: the built-in configuration."""
    blobs.remove_node(fdt, "/fw-cfg@9020000")
    with entered(tmp_path, fdt=fdt) as router:
        router.boot()
        assert "config: from built-in default" in router.console.text()


def test_fdt_without_psci(tmp_path, fdt):
    """`poweroff` has nothing to call: it says so and the prompt comes back."""
    blobs.remove_node(fdt, "/psci")
    with entered(tmp_path, fdt=fdt) as router:
        forwards(router)
        assert router.console.command("poweroff").strip()


def test_fdt_cyclic_interrupt_parents(tmp_path, fdt):
    """Two nodes that are each other's interrupt parent, with the bus below them."""
    blobs.set_cells(fdt, "/gpio-keys", "phandle", 0x7001)
    blobs.set_cells(fdt, "/gpio-keys", "interrupt-parent", 0x7002)
    blobs.set_cells(fdt, "/timer", "phandle", 0x7002)
    blobs.set_cells(fdt, "/timer", "interrupt-parent", 0x7001)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("# |timer", SPEAKS)


def test_fdt_interrupt_parent_is_itself(tmp_path, fdt):
    blobs.set_cells(fdt, "/pl011@9000000", "phandle", 0x7003)
    blobs.set_cells(fdt, "/pl011@9000000", "interrupt-parent", 0x7003)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("# |pl011|irq", SPEAKS)


def test_fdt_unknown_interrupt_parent(tmp_path, fdt):
    """Nothing has the phandle that the root names."""
    blobs.set_cells(fdt, "/", "interrupt-parent", 0x7777)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("interrupt|timer|irq", SPEAKS)


def test_fdt_without_stdout_path(tmp_path, fdt):
    """The console is found all the same, or nothing hangs."""
    blobs.set_string(fdt, "/chosen", "stdout-path", "/no/such/node")
    with entered(tmp_path, fdt=fdt) as router:
        request = fr.echo()
        router.wait(lambda: router.links[0].arps, 30, "its announcement")
        out = router.exchange(request)
        fr.assert_echo_reply(out[0][0], request)


def test_fdt_initrd_outside_of_memory(tmp_path, fdt):
    blobs.set_cells(fdt, "/chosen", "linux,initrd-start", 0, 0x90000000)
    blobs.set_cells(fdt, "/chosen", "linux,initrd-end", 0, 0x90100000)
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("initrd", SPEAKS)
        forwards(router)


@pytest.mark.parametrize("cells", [(0, 0x47000000, 0, 0x46000000), (0, 0, 0xffffffff, 0xffffffff)],
                         ids=["backwards", "everything"])
def test_fdt_senseless_initrd(tmp_path, fdt, cells):
    blobs.set_cells(fdt, "/chosen", "linux,initrd-start", *cells[:2])
    blobs.set_cells(fdt, "/chosen", "linux,initrd-end", *cells[2:])
    with entered(tmp_path, fdt=fdt) as router:
        router.console.expect("# |initrd|memory", SPEAKS)


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


@pytest.mark.parametrize("field", BROKEN)
def test_fdt_broken_header(tmp_path, fdt, field):
    fdt.write_bytes(blobs.header(fdt.read_bytes(), **{field: BROKEN[field]}))
    with entered(tmp_path, fdt=fdt) as router:
        settles(router)


def test_fdt_without_end(tmp_path, fdt):
    """The structure block runs on into what is no token."""
    data = bytearray(fdt.read_bytes())
    start, size = struct.unpack(">I", data[8:12])[0], struct.unpack(">I", data[36:40])[0]
    data[start + size - 8:start + size] = b"\xff" * 8
    fdt.write_bytes(data)
    with entered(tmp_path, fdt=fdt) as router:
        settles(router)


def settles(router):
    """It comes up, or says something, or the CPU stands still: no hang and no silent loop."""
    try:
        router.console.expect("# |panic|tree|memory", 3)
    except AssertionError:
        assert_quiet(router)


def test_configuration_survives_bad_options():
    """The longest command line, all of it nonsense."""
    with Router(append=" ".join(f"x{i}=y" for i in range(300)), config=CONFIG) as router:
        forwards(router)

# SPDX-License-Identifier: BSD-2-Clause
#
# The same image on every machine that it is meant for: interrupt controllers, CPU models, entry
# levels, device variants, QEMU versions. On each: forwarding both ways, ping, console, power off.

import subprocess

import pytest

from rig import frames as fr
from rig.machine import TOP
from rig.router import PLATFORM, Router

ROOT12 = TOP / "out/root12"
QEMU7 = [str(TOP / "build/in-root"), "--root", str(ROOT12), "qemu-system-aarch64"]
MACHINES = {
    "arm64": [(f"virt,gic-version={gic}{level}", cpu)
              for gic in (2, 3)
              for level in ("", ",virtualization=on")
              for cpu in ("cortex-a53", "cortex-a72", "max")],
    "loongarch64": [("virt", "la464"), ("virt", "max")],
    "loongson3": [("loongson3-virt", "Loongson-3A4000"), ("loongson3-virt", "Loongson-3A1000")],
}[PLATFORM]
OPTIONS = {
    "arm64": ["virt,gic-version=3,highmem=off", "virt,gic-version=3,its=off",
              "virt,gic-version=3,acpi=off,secure=off"],
    "loongarch64": ["virt,acpi=off"],
    "loongson3": [],
}[PLATFORM]
NICS = ["", ",disable-legacy=on", ",vectors=0", ",packed=on", ",mrg_rxbuf=off", ",event_idx=off",
        ",indirect_desc=off", ",csum=off", ",guest_csum=off,guest_tso4=off,guest_tso6=off",
        ",rx_queue_size=1024", ",tx_queue_size=256", ",host_mtu=1500", ",ctrl_vq=off",
        ",disable-legacy=on,iommu_platform=on"]

def qemu7_problem():
    if PLATFORM != "arm64":
        return "QEMU 7.2 is for ARM64: it lacks what the Loongson machines need"
    if not (ROOT12 / "usr").is_dir():
        return "no QEMU 7.2: run `make root12`"
    done = subprocess.run([*QEMU7, "--version"], capture_output=True, text=True, check=False)
    if "version 7.2" not in done.stdout:
        return f"out/root12 has no QEMU 7.2: {(done.stdout + done.stderr).strip()[:100]}"
    return None


@pytest.fixture(scope="session")
def qemu7():
    problem = qemu7_problem()
    if problem:
        pytest.skip(problem)
    return QEMU7


def smoke(router):
    router.warm()
    router.passes(fr.udp())
    router.passes(fr.udp(1, size=1514), port=1)
    burst = [fr.udp(size=60 + i) for i in range(200)]
    fr.assert_frames(router.exchange(*burst)[1], [fr.forwarded(frame) for frame in burst])
    request = fr.echo(size=1514)
    fr.assert_echo_reply(router.exchange(request)[0][0], request)
    counters = router.counters()
    assert all(port["rx_errors"] == port["resets"] == 0 for port in counters.values()), counters
    router.console.send("poweroff\r")
    assert router.wait_exit() == 0


@pytest.mark.parametrize("machine,cpu", MACHINES, ids=lambda each: each.replace("virt,", ""))
def test_machine(machine, cpu):
    with Router(machine=machine, cpu=cpu) as router:
        smoke(router)


@pytest.mark.parametrize("machine,cpu", MACHINES[::2], ids=lambda each: each.replace("virt,", ""))
def test_machine_of_qemu7(qemu7, machine, cpu):
    with Router(machine=machine, cpu=cpu, qemu=qemu7) as router:
        smoke(router)


@pytest.mark.parametrize("options", NICS)
def test_nic(options):
    with Router(nic_options=options) as router:
        smoke(router)


@pytest.mark.parametrize("options", ["", ",disable-legacy=on", ",vectors=0", ",event_idx=off"])
def test_nic_of_qemu7(qemu7, options):
    with Router(nic_options=options, qemu=qemu7) as router:
        smoke(router)


@pytest.mark.parametrize("machine", OPTIONS)
def test_machine_options(machine):
    with Router(machine=machine) as router:
        smoke(router)


def test_more_cpus_than_it_uses():
    with Router(extra=["-smp", "4"]) as router:
        smoke(router)


def test_behind_a_bridge():
    """The NICs on a second bus: windows and interrupts through a PCI bridge."""
    bus = [word for number in (0, 1)
           for word in ("-device", f"pcie-root-port,id=rp{number},chassis={number + 1}")]
    router = Router()
    words = router.command
    nics = [at for at, word in enumerate(words) if word.startswith("virtio-net-pci")]
    for number, at in enumerate(nics):
        words[at] += f",bus=rp{number}"
    first = nics[0] - 3
    router.command = words[:first] + bus + words[first:]
    with router.boot():
        smoke(router)


def test_host_mtu_small():
    """A device that advises less than 1500: the port takes it over."""
    with Router(nic_options=",host_mtu=1280") as router:
        assert "MTU 1280" in router.console.command("show interfaces eth0")
        router.warm()
        router.passes(fr.udp(size=14 + 1280))
        router.dropped(fr.udp(size=14 + 1281), "rx-oversize")

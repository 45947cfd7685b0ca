# SPDX-License-Identifier: BSD-2-Clause
#
# All that differs between the machines that Sluice runs on, seen from outside: which QEMU, how
# the machine is called. And the one topology of all tests and of `make run`, the design's example:
#
#   host 192.0.2.2 -- eth0 192.0.2.1 [router] eth1 198.51.100.1 -- host 198.51.100.2

from dataclasses import dataclass
from pathlib import Path

from rig.blobs import cpio

TOP = Path(__file__).resolve().parents[3]

PORT_MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
PORT_IPS = ["192.0.2.1", "198.51.100.1"]
HOST_MACS = ["02:00:00:00:01:01", "02:00:00:00:01:02"]
HOST_IPS = ["192.0.2.2", "198.51.100.2"]
BEHIND = "198.18.0.1"   # by way of the second host
CONFIG = """hostname edge1
interface eth0
 ip address 192.0.2.1/24
!
interface eth1
 ip address 198.51.100.1/24
!
"""


@dataclass(frozen=True)
class Machine:
    qemu: str
    machine: str
    cpu: str
    memory: str
    words: str              # for people
    options: tuple = ()     # more words for QEMU, always
    fw_cfg: bool = True     # the configuration comes by fw_cfg; else in the initial archive
    append_max: int = 2047  # characters of -append that arrive whole; QEMU says nothing of the rest
    hidden_kib: int = 0     # of -m: kept back by firmware
    cpu_words: str = ""     # what `show version` says of the CPU: a regular expression

    @property
    def source(self):
        """The router's name for the place that its configuration comes from."""
        return "fw_cfg opt/org.sluice/config" if self.fw_cfg else "/etc/sluice.conf"

    @property
    def ram_kib(self):
        """What the router must find."""
        number, unit = int(self.memory[:-1]), self.memory[-1]
        return (number << (10 if unit == "M" else 20)) - self.hidden_kib


MACHINES = {
    "arm64": Machine("qemu-system-aarch64", "virt,gic-version=3", "cortex-a72", "128M",
                     "QEMU virt, GICv3, cortex-a72, 128 MiB", cpu_words="Cortex-A72"),
    "loongarch64": Machine("qemu-system-loongarch64", "virt", "la464", "512M",
                           "QEMU virt (LoongArch), la464, 512 MiB", append_max=511,
                           cpu_words="3A5000|LA464"),
    # Without `thread=multi` all its CPUs share one host thread; QEMU warns that it has not been
    # told that it may. The archive's place stands in front of the options and counts as well.
    "loongson3": Machine("qemu-system-mips64el", "loongson3-virt", "Loongson-3A4000", "512M",
                         "QEMU loongson3-virt, Loongson-3A4000, 512 MiB",
                         options=("-vga", "none", "-accel", "tcg,thread=multi"), fw_cfg=False,
                         append_max=190, hidden_kib=16384, cpu_words="3A4000"),
}


def mac_of(number):
    """MAC address of the router's port."""
    return f"02:00:00:00:00:{number + 1:02x}"


def command(machine, *, image, directory, config=None, initrd=None, append=None, nics=(),
            nic_options="", qemu=None):
    """
    QEMU's command line. The console is the unix socket directory/console, for whose connection
    QEMU waits, so that no word is lost; QMP is directory/qmp. `nics` are texts for -netdev
    (without id=); `image` may be None. A machine without fw_cfg gets `config` in an initial
    archive, unless there is an `initrd` already.
    """
    words = [*(qemu or [machine.qemu]), "-M", machine.machine, *machine.options,
             "-cpu", machine.cpu, "-m", machine.memory, "-nodefaults", "-display", "none",
             "-chardev", f"socket,id=console,path={directory}/console,server=on,wait=on",
             "-serial", "chardev:console",
             "-qmp", f"unix:{directory}/qmp,server=on,wait=off"]
    if image:
        words += ["-kernel", str(image)]
    if config is not None:
        data = config if isinstance(config, bytes) else config.encode()
        path = Path(f"{directory}/config")
        if machine.fw_cfg:
            path.write_bytes(data)
            words += ["-fw_cfg", f"name=opt/org.sluice/config,file={path}"]
        elif not initrd:
            path.write_bytes(cpio({"etc/sluice.conf": data}))
            initrd = path
    if initrd:
        words += ["-initrd", str(initrd)]
    if append:
        words += ["-append", append]
    for number, nic in enumerate(nics):
        words += ["-netdev", f"{nic},id=n{number}", "-device",
                  f"virtio-net-pci,netdev=n{number},id=nic{number},mac={mac_of(number)},romfile="
                  f"{nic_options}"]
    return words


NO_NEWS = ("waiting for connection", "Guest not yet converted to MTTCG")


def qemu_words(log):
    """What QEMU said in its log file, without what it says each time."""
    lines = Path(log).read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if not any(w in line for w in NO_NEWS)).strip()

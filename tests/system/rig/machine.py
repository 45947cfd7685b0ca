# SPDX-License-Identifier: BSD-2-Clause
#
# All that differs between the machines that Sluice runs on, seen from outside: which QEMU, how
# the machine is called. And the one topology of all tests and of `make run`, the design's example:
#
#   host 192.0.2.2 -- eth0 192.0.2.1 [router] eth1 198.51.100.1 -- host 198.51.100.2

from dataclasses import dataclass
from pathlib import Path

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
    words: str          # for people


MACHINES = {
    "arm64": Machine("qemu-system-aarch64", "virt,gic-version=3", "cortex-a72", "128M",
                     "QEMU virt, GICv3, cortex-a72, 128 MiB"),
}


def mac_of(number):
    """MAC address of the router's port."""
    return f"02:00:00:00:00:{number + 1:02x}"


def command(machine, *, image, directory, config=None, nics=(), nic_options="", qemu=None):
    """
    QEMU's command line. The console is the unix socket directory/console, for whose connection
    QEMU waits, so that no word is lost; QMP is directory/qmp. `nics` are texts for -netdev
    (without id=); `image` may be None.
    """
    words = [*(qemu or [machine.qemu]), "-M", machine.machine, "-cpu", machine.cpu,
             "-m", machine.memory, "-nodefaults", "-display", "none",
             "-chardev", f"socket,id=console,path={directory}/console,server=on,wait=on",
             "-serial", "chardev:console",
             "-qmp", f"unix:{directory}/qmp,server=on,wait=off"]
    if image:
        words += ["-kernel", str(image)]
    if config is not None:
        data = config if isinstance(config, bytes) else config.encode()
        Path(f"{directory}/config").write_bytes(data)
        words += ["-fw_cfg", f"name=opt/org.sluice/config,file={directory}/config"]
    for number, nic in enumerate(nics):
        words += ["-netdev", f"{nic},id=n{number}", "-device",
                  f"virtio-net-pci,netdev=n{number},id=nic{number},mac={mac_of(number)},romfile="
                  f"{nic_options}"]
    return words


def qemu_words(log):
    """What QEMU said in its log file, without the news that it waits for the console."""
    lines = Path(log).read_text(errors="replace").splitlines()
    return "\n".join(line for line in lines if "waiting for connection" not in line).strip()

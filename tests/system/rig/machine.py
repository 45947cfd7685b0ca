# SPDX-License-Identifier: BSD-2-Clause
#
# All that differs between the machines that Sluice runs on, seen from outside: which QEMU, how
# the machine is called, which variants of it there are.

from dataclasses import dataclass


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

# The topology of the design's example, which all tests and `make run` use:
#   host 192.0.2.2 -- eth0 192.0.2.1 [router] eth1 198.51.100.1 -- host 198.51.100.2
PORT_MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
PORT_IPS = ["192.0.2.1", "198.51.100.1"]
HOST_MACS = ["02:00:00:00:01:01", "02:00:00:00:01:02"]
HOST_IPS = ["192.0.2.2", "198.51.100.2"]
CONFIG = """hostname edge1
interface eth0
 ip address 192.0.2.1/24
!
interface eth1
 ip address 198.51.100.1/24
!
"""


def command(machine, *, image, directory, config=None, memory=None, nics=()):
    """
    QEMU's command line. The console is directory/console, QMP directory/qmp. `nics` are texts for
    -netdev (without id=).
    """
    words = [machine.qemu, "-M", machine.machine, "-cpu", machine.cpu,
             "-m", memory or machine.memory, "-nodefaults", "-display", "none",
             "-chardev", f"socket,id=console,path={directory}/console,server=on,wait=off",
             "-serial", "chardev:console",
             "-qmp", f"unix:{directory}/qmp,server=on,wait=off",
             "-kernel", str(image)]
    if config is not None:
        with open(f"{directory}/config", "w", encoding="utf-8") as file:
            file.write(config)
        words += ["-fw_cfg", f"name=opt/org.sluice/config,file={directory}/config"]
    for number, nic in enumerate(nics):
        words += ["-netdev", f"{nic},id=n{number}",
                  "-device", f"virtio-net-pci,netdev=n{number},mac={PORT_MACS[number]},romfile="]
    return words

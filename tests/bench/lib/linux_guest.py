# SPDX-License-Identifier: BSD-2-Clause
#
# The Linux guest of the comparison: Debian's arm64 kernel and busybox, with an initramfs that we
# make. It does what our router's configuration does: two addresses, one route, static
# neighbours, forwarding on. pfifo_fast, no netfilter rules, all other settings Debian's.
#
# Relies on: out/bench/debs (made by fetch-linux), dpkg-deb. Format of the initramfs: newc cpio
# (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).

import lzma
import shutil
import subprocess
from pathlib import Path

from lib import topology
from lib.vm import Guest

READY = "LINUX-GUEST-READY"
KERNEL_BASE = 0xffff800080000000  # of a kernel with 48-bit addresses, Linux 6.5 and later
WFI = bytes.fromhex("7f2003d5")
MODULES = ["failover", "net_failover", "virtio_net"]  # in order of dependence

INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox echo pfifo_fast > /proc/sys/net/core/default_qdisc
for module in {' '.join(MODULES)}; do
    /bin/busybox insmod /modules/$module.ko || /bin/busybox echo "insmod $module failed"
done
for port in eth0 eth1; do
    /bin/busybox echo 1 > /proc/sys/net/ipv6/conf/$port/disable_ipv6
done
/bin/busybox ip address add {topology.DUT_IPS[0]}/24 dev eth0
/bin/busybox ip address add {topology.DUT_IPS[1]}/24 dev eth1
/bin/busybox ip link set eth0 up
/bin/busybox ip link set eth1 up
/bin/busybox arp -i eth0 -s {topology.PEER_IPS[0]} {topology.PEER_MACS[0]}
/bin/busybox arp -i eth1 -s {topology.PEER_IPS[1]} {topology.PEER_MACS[1]}
/bin/busybox ip route add {topology.ROUTE} via {topology.PEER_IPS[1]}
/bin/busybox echo 1 > /proc/sys/net/ipv4/ip_forward
/bin/busybox ip link show eth1
/bin/busybox echo {READY}
while :; do /bin/busybox sleep 1000; done
"""


def guest(bench, *, memory="512M"):
    """Unpacks what is not unpacked yet below `bench`, and describes the guest."""
    kernel_deb, busybox_deb = (bench / "debs" / name for name in ("kernel.deb", "busybox.deb"))
    for deb in (kernel_deb, busybox_deb):
        if not deb.exists():
            raise FileNotFoundError(f"{deb} is missing: run tests/bench/fetch-linux")
    tree = bench / "linux"
    stamp = tree / "stamp"
    wanted = f"{kernel_deb.stat().st_mtime_ns} {busybox_deb.stat().st_mtime_ns}"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        for deb in (kernel_deb, busybox_deb):
            subprocess.run(["dpkg-deb", "-x", str(deb), str(tree / "root")], check=True)
        stamp.write_text(wanted)
    kernel = next((tree / "root/boot").glob("vmlinuz-*"))
    version = kernel.name.removeprefix("vmlinuz-")
    initrd = tree / "initrd.cpio"
    initrd.write_bytes(_initramfs(tree / "root", version))
    return Guest(name=f"Linux {version}", kernel=kernel, initrd=initrd, memory=memory,
                 append="console=ttyAMA0 quiet net.ifnames=0 nokaslr")


def idle_addresses(guest_):
    """
    Where this kernel (a raw Image, not relocated: nokaslr) may wait for an interrupt: all that
    looks like the idle instruction. Data that happens to look so is never executed.
    """
    blob = guest_.kernel.read_bytes()
    found, at = [], blob.find(WFI)
    while at >= 0:
        if at % 4 == 0:
            found.append(KERNEL_BASE + at)
        at = blob.find(WFI, at + 1)
    return found


def _initramfs(root, version):
    files = [("bin", 0o40755, b""), ("dev", 0o40755, b""), ("modules", 0o40755, b""),
             ("bin/busybox", 0o100755, (root / "usr/bin/busybox").read_bytes()),
             ("init", 0o100755, INIT.encode())]
    for name in MODULES:
        packed = next((root / "usr/lib/modules" / version).rglob(f"{name}.ko.xz"))
        files.append((f"modules/{name}.ko", 0o100644, lzma.decompress(packed.read_bytes())))
    parts = [_cpio_entry(number, *file) for number, file in enumerate(files, 1)]
    parts.append(_cpio_node(len(files) + 1, "dev/console", 0o20600, 5, 1))
    parts.append(_cpio_entry(0, "TRAILER!!!", 0, b""))
    return b"".join(parts)


def _cpio_entry(inode, name, mode, body):
    return _header(inode, name, mode, len(body)) + _pad(body)


def _cpio_node(inode, name, mode, major, minor):
    return _header(inode, name, mode, 0, major, minor)


def _header(inode, name, mode, size, major=0, minor=0):
    fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08x" % value for value in fields)
    return _pad(head + name.encode() + b"\0")


def _pad(data):
    return data + b"\0" * (-len(data) % 4)

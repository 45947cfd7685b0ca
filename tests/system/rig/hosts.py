# SPDX-License-Identifier: BSD-2-Clause
#
# Linux hosts as the router's peers: each is a network namespace without a name, with one tap
# device in it. The namespace and the tap live as long as the file descriptors of this process, so
# nothing stays behind however it ends.
#
# Needs CAP_SYS_ADMIN and CAP_NET_ADMIN (being root, or in a user namespace) and /dev/net/tun.
# Linux documentation: networking/tuntap, namespaces(7).

import errno
import fcntl
import os
import struct
import subprocess
from contextlib import contextmanager

TUN = "/dev/net/tun"
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
NAMESPACE = "/proc/self/ns/net"


class HostError(Exception):
    """One line: what this machine lacks."""


def tun_problem():
    """Why there can be no tap device here; None if there can."""
    try:
        os.close(os.open(TUN, os.O_RDWR))
    except FileNotFoundError:
        return f"{TUN} does not exist (try `modprobe tun`)"
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            return f"this kernel has no tap devices ({TUN}: {error.strerror})"
        return f"{TUN} may not be opened ({error.strerror})"
    return None


class Host:
    """
    A Linux host `address`/24 with MAC address `mac` and the router `gateway`. `self.tap` is the
    descriptor that QEMU gets; the device speaks with virtio headers, as libvirt's taps do, so
    that the host's own checksum offload is at work.
    """

    def __init__(self, name, address, gateway, mac, mtu=1500):
        self.name, self.address, self.gateway, self.mac = name, address, gateway, mac
        before = os.open(NAMESPACE, os.O_RDONLY)
        try:
            os.unshare(os.CLONE_NEWNET)
            self.ns = os.open(NAMESPACE, os.O_RDONLY)
            self.tap = _open_tap("tap0")
            self._configure(mtu)
        finally:
            os.setns(before, os.CLONE_NEWNET)
            os.close(before)

    def _configure(self, mtu):
        for path in ("conf/all", "conf/default", "conf/tap0"):
            _write(f"/proc/sys/net/ipv6/{path}/disable_ipv6", "1")
        _ip("link", "set", "lo", "up")
        _ip("link", "set", "tap0", "address", self.mac, "mtu", str(mtu), "up")
        _ip("address", "add", f"{self.address}/24", "dev", "tap0")
        _ip("route", "add", "default", "via", self.gateway)

    def close(self):
        os.close(self.tap)
        os.close(self.ns)

    def popen(self, command, **options):
        return subprocess.Popen(command, preexec_fn=self._enter, **options)

    def run(self, *command, timeout_s=60):
        """Runs a program on the host; (status, output of both kinds)."""
        done = subprocess.run(command, preexec_fn=self._enter, text=True, timeout=timeout_s,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    @contextmanager
    def inside(self):
        """The calling thread is on the host meanwhile: for sockets."""
        before = os.open(NAMESPACE, os.O_RDONLY)
        self._enter()
        try:
            yield self
        finally:
            os.setns(before, os.CLONE_NEWNET)
            os.close(before)

    def _enter(self):
        os.setns(self.ns, os.CLONE_NEWNET)


def _open_tap(name):
    try:
        tap = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
        request = struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
        fcntl.ioctl(tap, TUNSETIFF, request)
    except OSError as error:
        raise HostError(tun_problem() or f"no tap device: {error.strerror}") from None
    return tap


def _ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def _write(path, text):
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError:
        pass    # a kernel without IPv6, or /proc/sys is read-only: only noise in the counters

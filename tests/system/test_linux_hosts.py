# SPDX-License-Identifier: BSD-2-Clause
#
# Linux as both peers, on taps with their default offloads (partial checksums among them): ping,
# fragmentation, path MTU, traceroute's way of working, TCP. What Linux accepts and reports counts.

import hashlib
import re
import shutil
import socket
import struct
import subprocess
import threading
import time

import pytest

from rig import machine as rig
from rig.hosts import Host, tun_problem
from rig.machine import CONFIG, HOST_IPS, HOST_MACS, PORT_IPS
from rig.router import Router

pytestmark = [pytest.mark.linux_hosts,
              pytest.mark.skipif(bool(tun_problem()), reason=str(tun_problem()))]
MTU = 1280
# <linux/in.h>; of the second, 3 sends DF whatever is known about the path, 0 never does.
IP_RECVERR, IP_MTU_DISCOVER = 11, 10


class Network:
    """Two hosts and the router between them."""

    def __init__(self, config=CONFIG, mtus=(1500, 1500), nic_options=""):
        self.hosts = [Host(f"host{i}", HOST_IPS[i], PORT_IPS[i], HOST_MACS[i], mtus[i])
                      for i in (0, 1)]
        self.router = Router(config=config, ports=0)
        taps = [f"tap,fd={host.tap},vhost=off" for host in self.hosts]
        nics = rig.command(self.router.machine, image=None, directory=self.router.dir, nics=taps,
                           nic_options=nic_options)
        self.router.command += nics[nics.index("-netdev"):]
        self.router.pass_fds = [host.tap for host in self.hosts]

    def __enter__(self):
        self.router.__enter__()
        status, text = self.hosts[0].run("ping", "-n", "-c", "1", "-W", "10", HOST_IPS[1])
        assert status == 0, text + self.router.console.tail()
        return self

    def __exit__(self, *exc):
        self.router.__exit__(*exc)
        for host in self.hosts:
            host.close()


@pytest.fixture(scope="module")
def network():
    with Network() as network:
        yield network


@pytest.fixture(scope="module")
def narrow():
    """The second link takes MTU bytes, and so does its host."""
    with Network(CONFIG.replace(" ip address 198", f" mtu {MTU}\n ip address 198"),
                 (1500, MTU)) as network:
        yield network


def ping(host, *options, count=5):
    status, text = host.run("ping", "-n", "-i", "0.05", "-c", str(count), "-W", "5", *options)
    return status, text


def assert_all_come(host, *options, count=5):
    status, text = ping(host, *options, count=count)
    assert status == 0 and f"{count} received" in text and "duplicates" not in text, text


@pytest.mark.parametrize("size", [0, 1, 56, 57, 1000, 1472])
def test_ping_across(network, size):
    assert_all_come(network.hosts[0], "-s", str(size), HOST_IPS[1])


def test_ping_back(network):
    assert_all_come(network.hosts[1], HOST_IPS[0])


def test_ping_ttl(network):
    """One less than the 64 that Linux sends."""
    _, text = ping(network.hosts[0], HOST_IPS[1])
    assert text.count("ttl=63 ") == 5, text


@pytest.mark.parametrize("target", PORT_IPS)
def test_ping_router(network, target):
    assert_all_come(network.hosts[0], target)


@pytest.mark.parametrize("size", [1473, 4000, 9000, 20000])
def test_ping_fragmented(network, size):
    """Fragments by the sender, passed on whole and put together by the other host."""
    assert_all_come(network.hosts[0], "-s", str(size), HOST_IPS[1])


def test_ping_record_route(network):
    """-R: Linux shows the router's addresses on the way there and back."""
    _, text = ping(network.hosts[0], "-R", HOST_IPS[1], count=1)
    hops = re.findall(r"\t([\d.]+)", text.replace("RR: ", "RR: \t"))
    assert PORT_IPS[1] in hops and PORT_IPS[0] in hops, text


def test_ping_timestamps(network):
    _, text = ping(network.hosts[0], "-T", "tsandaddr", HOST_IPS[1], count=1)
    assert PORT_IPS[1] in text and "1 received" in text, text


def test_ping_without_route(network):
    status, text = ping(network.hosts[0], "203.0.113.1", count=1)
    assert status == 1 and f"From {PORT_IPS[0]}" in text and "Net Unreachable" in text, text


def test_ping_nobody(network):
    status, text = network.hosts[0].run("ping", "-n", "-c", "1", "-W", "10", "198.51.100.99")
    assert status == 1 and f"From {PORT_IPS[0]}" in text and "Host Unreachable" in text, text


def test_time_to_live_exceeded(network):
    _, text = ping(network.hosts[0], "-t", "1", HOST_IPS[1], count=1)
    assert f"From {PORT_IPS[0]}" in text and "Time to live exceeded" in text, text


def udp_error(host, *, ttl, size=20, target=HOST_IPS[1], port=33434, dont_fragment=False):
    """What Linux's error queue says about a datagram: (type, code, info, offender)."""
    with host.inside():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, 3 if dont_fragment else 0)
        sock.sendto(b"x" * size, (target, port))
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                _, anc, _, _ = sock.recvmsg(2000, 1000, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            error = next(data for level, kind, data in anc if (level, kind) == (0, IP_RECVERR))
            _, _, kind, code, _, info, _ = struct.unpack("=IBBBBII", error[:16])
            return kind, code, info, socket.inet_ntoa(error[20:24])
    return None


def test_traceroute(network):
    """Its two hops: the router by Time Exceeded, the host by Port Unreachable."""
    assert udp_error(network.hosts[0], ttl=1) == (11, 0, 0, PORT_IPS[0])
    assert udp_error(network.hosts[0], ttl=2) == (3, 3, 0, HOST_IPS[1])


def test_traceroute_to_router(network):
    assert udp_error(network.hosts[0], ttl=1, target=PORT_IPS[0]) == (3, 3, 0, PORT_IPS[0])


@pytest.mark.skipif(not shutil.which("tracepath"), reason="no tracepath here")
def test_tracepath(narrow):
    _, text = narrow.hosts[0].run("tracepath", "-n", HOST_IPS[1])
    assert f"pmtu {MTU}" in text and "reached" in text, text


def test_path_mtu_is_discovered(narrow):
    """RFC 1191: the error's MTU becomes the host's path MTU."""
    assert udp_error(narrow.hosts[0], ttl=64, size=1400, dont_fragment=True) == \
        (3, 4, MTU, PORT_IPS[0])
    _, text = narrow.hosts[0].run("ip", "route", "get", HOST_IPS[1])
    assert f"mtu {MTU}" in text, text


def test_router_fragments(narrow):
    """Without DF the router cuts, and Linux puts together: the pings come back."""
    assert_all_come(narrow.hosts[0], "-M", "dont", "-s", "1400", HOST_IPS[1])
    assert_all_come(narrow.hosts[0], "-M", "dont", "-s", "9000", HOST_IPS[1])


def test_capture(network):
    """tcpdump on the second host: TTL, MAC addresses, and all checksums in order."""
    dump = network.hosts[1].popen(["tcpdump", "-Z", "root", "-n", "-e", "-v", "-l", "-c", "2",
                                   "-i", "tap0", "icmp"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
    line = dump.stderr.readline()
    assert "listening" in line, line
    assert_all_come(network.hosts[0], HOST_IPS[1], count=1)
    text, _ = dump.communicate(timeout=20)
    assert "ttl 63" in text and "bad cksum" not in text, text
    assert f"{rig.PORT_MACS[1]} > {HOST_MACS[1]}" in text, text


# ---- TCP -------------------------------------------------------------------------------------

def receive(sock, length):
    digest, left = hashlib.sha256(), length
    while left:
        data = sock.recv(min(left, 65536))
        if not data:
            break
        digest.update(data)
        left -= len(data)
    return digest.hexdigest(), left


def transfer(network, sender, length):
    """One TCP stream from one host to the other; both ends' digests must be the same."""
    server_host, client_host = network.hosts[1 - sender], network.hosts[sender]
    data = bytes(i * 31 & 0xff for i in range(65536)) * (length // 65536)
    with server_host.inside():
        server = socket.socket()
    server.settimeout(60)
    server.bind((HOST_IPS[1 - sender], 5001))
    server.listen(1)
    with client_host.inside():
        client = socket.socket()
    client.settimeout(60)
    result = []

    def serve():
        peer, _ = server.accept()
        with peer:
            peer.settimeout(60)
            result.append(receive(peer, len(data)))

    thread = threading.Thread(target=serve)
    thread.start()
    with server, client:
        client.connect((HOST_IPS[1 - sender], 5001))
        client.sendall(data)
        thread.join(90)
    assert result == [(hashlib.sha256(data).hexdigest(), 0)], f"received {result}"


@pytest.mark.parametrize("sender", [0, 1])
def test_tcp(network, sender):
    transfer(network, sender, 8 << 20)


def test_tcp_over_narrow_link(narrow):
    """The segments that are too long make path MTU discovery do its work."""
    transfer(narrow, 0, 2 << 20)


@pytest.mark.parametrize("options", [",csum=off", ",guest_csum=off", ",csum=off,guest_csum=off"])
def test_tcp_without_offloads(options):
    """One port finishes checksums for the other in software."""
    with Network(nic_options=options) as network:
        transfer(network, 0, 1 << 20)
        transfer(network, 1, 1 << 20)


def test_one_port_without_offload():
    """Partial checksums from eth0 leave by eth1, which cannot finish them: the router must."""
    network = Network()
    words = network.router.command
    at = next(i for i, word in enumerate(words) if word.startswith("virtio-net-pci,netdev=n1"))
    words[at] += ",csum=off"
    with network:
        transfer(network, 0, 1 << 20)
        transfer(network, 1, 1 << 20)


def test_udp_checksums(network):
    """Datagrams of many lengths: what arrives has passed Linux's checksum test."""
    with network.hosts[1].inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((HOST_IPS[1], 5002))
    server.settimeout(10)
    with network.hosts[0].inside():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server, client:
        for length in [*range(0, 40), 100, 511, 512, 513, 1471, 1472, 1473, 5000]:
            data = bytes(i & 0xff for i in range(length))
            client.sendto(data, (HOST_IPS[1], 5002))
            got, (address, _) = server.recvfrom(65536)
            assert got == data and address == HOST_IPS[0]


def test_counters_match(network):
    """The router's counters go up by what the hosts have sent."""
    before = network.router.counters()
    assert_all_come(network.hosts[0], HOST_IPS[1], count=20)
    after = network.router.counters()
    for port in ("eth0", "eth1"):
        for key in ("rx_packets", "tx_packets"):
            assert 20 <= after[port][key] - before[port][key] <= 26, (port, key)

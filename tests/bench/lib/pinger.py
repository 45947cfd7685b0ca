# SPDX-License-Identifier: BSD-2-Clause
#
# Pings the router's first port from the moment of power-on, and says when the first right answer
# came. It never has more than one request waiting in QEMU's socket (the kernel's count of unread
# bytes tells), so that a guest which has just brought up its port does not find a backlog.
#
# RFC 792 (echo), RFC 826 (ARP), RFC 1071 (checksum).

import fcntl
import socket
import struct
import termios
import time

from lib import topology

PERIOD_S = 0.01  # each request that comes too early costs the guest about 1,000 instructions
IDENTIFIER = 0x5b1d
PAYLOAD = bytes(range(32))


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    data += b"\0" * (len(data) & 1)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Pinger:
    """Owns p0.gen of a machine's directory; made before the machine starts."""

    def __init__(self, where):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(where / "p0.gen"))
        self.sock.settimeout(0.001)
        self.remote = str(where / "p0.qemu")
        self.sequence = 0
        self.sent = 0

    def close(self):
        self.sock.close()

    def _send(self, frame):
        try:
            self.sock.sendto(frame, self.remote)
            return True
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError, TimeoutError):
            return False  # QEMU is not up yet

    def _waiting(self):
        """Bytes of ours that QEMU has not read yet."""
        answer = fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return struct.unpack("i", answer)[0]

    def _request(self):
        icmp = struct.pack(">BBHHH", 8, 0, 0, IDENTIFIER, self.sequence) + PAYLOAD
        icmp = icmp[:2] + struct.pack(">H", checksum(icmp)) + icmp[4:]
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), self.sequence, 0, 64, 1, 0,
                           socket.inet_aton(topology.PEER_IPS[0]),
                           socket.inet_aton(topology.DUT_IPS[0]))
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        return mac(topology.DUT_MACS[0]) + mac(topology.PEER_MACS[0]) + b"\x08\0" + head + icmp

    def _ping(self):
        if self._waiting() == 0:
            self.sequence = (self.sequence + 1) & 0xffff
            self.sent += self._send(self._request())

    def _answer_arp(self, frame):
        if frame[12:22] == bytes.fromhex("08060001080006040001") and \
                frame[38:42] == socket.inet_aton(topology.PEER_IPS[0]):
            me = mac(topology.PEER_MACS[0])
            self._send(frame[6:12] + me + frame[12:20] + b"\0\2" + me + frame[38:42]
                       + frame[22:32])

    def _is_reply(self, frame):
        """Every field that an answer to one of our requests determines."""
        packet = frame[14:14 + 28 + len(PAYLOAD)]
        return (frame[:14] == mac(topology.PEER_MACS[0]) + mac(topology.DUT_MACS[0]) + b"\x08\0"
                and len(packet) == 28 + len(PAYLOAD) and packet[0] == 0x45 and packet[9] == 1
                and packet[12:16] == socket.inet_aton(topology.DUT_IPS[0])
                and packet[16:20] == socket.inet_aton(topology.PEER_IPS[0])
                and checksum(packet[:20]) == 0 and checksum(packet[20:]) == 0
                and packet[20:22] == b"\0\0" and packet[24:26] == struct.pack(">H", IDENTIFIER)
                and packet[28:] == PAYLOAD)

    def until_answered(self, check, limit_s):
        """
        Pings until answered; host clock (ns) of the answer, or None when limit_s is over.
        `check` is called now and then, and may raise.
        """
        end = time.monotonic() + limit_s
        due = 0.0
        while time.monotonic() < end:
            if time.monotonic() >= due:
                self._ping()
                check()
                due = time.monotonic() + PERIOD_S
            try:
                frame = self.sock.recv(2048)
            except TimeoutError:
                continue
            if self._is_reply(frame):
                return time.monotonic_ns()
            self._answer_arp(frame)
        return None

# SPDX-License-Identifier: BSD-2-Clause
#
# The other end of a port's cable: a unix datagram socket, one datagram one raw frame, no root
# needed. The host at this end answers ARP requests for its addresses (RFC 826) unless told not to.

import socket
import struct
from collections import deque

from rig.frames import ip_bytes, mac_bytes
from rig.machine import HOST_IPS, HOST_MACS

ARP_HEAD = bytes.fromhex("0806000108000604")
SEND_LIMIT_S = 20


class Link:
    def __init__(self, directory, number):
        self.number = number
        self.remote = f"{directory}/p{number}.qemu"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(f"{directory}/p{number}.gen")
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
                               struct.pack("ll", SEND_LIMIT_S, 0))
        self.frames = deque()   # what the router sent, without ARP
        self.arps = deque()
        self.answers = {}       # address: MAC address that this end answers for
        if number < len(HOST_IPS):
            self.answers[ip_bytes(HOST_IPS[number])] = mac_bytes(HOST_MACS[number])

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def send(self, *frames):
        for frame in frames:
            self.socket.sendto(frame, self.remote)

    def receive(self):
        """Takes in all that is waiting."""
        while True:
            try:
                frame = self.socket.recv(65536, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            if frame[12:14] == b"\x08\x06":
                self.arps.append(frame)
                self._answer(frame)
            else:
                self.frames.append(frame)

    def _answer(self, frame):
        mac = self.answers.get(frame[38:42])
        if mac and frame[12:22] == ARP_HEAD + b"\0\1":
            self.send(frame[6:12] + mac + ARP_HEAD + b"\0\2" + mac + frame[38:42] + frame[22:32])

    def clear(self):
        self.receive()
        self.frames.clear()
        self.arps.clear()

# SPDX-License-Identifier: BSD-2-Clause
#
# QEMU's debugger port, as much of it as tests need: read and change memory of a machine that
# stands still, before its first instruction even (-S), boot ROMs included; then let it run.
# Addresses are what the CPU would use at that moment.
#
# GDB manual, appendix E: the remote serial protocol (packets m, M, P, D).

import socket
import time

CHUNK = 1024    # QEMU's packets hold twice that and a little


class GdbError(RuntimeError):
    """The debugger port did not do what was asked."""


class Gdb:
    def __init__(self, path, timeout_s=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_s)
        end = time.monotonic() + timeout_s
        while True:
            try:
                self.socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise GdbError("QEMU did not offer its debugger port") from None
                time.sleep(0.02)
        self.rest = b""

    def _byte(self):
        if not self.rest:
            self.rest = self.socket.recv(65536)
            if not self.rest:
                raise GdbError("QEMU closed its debugger port")
        first, self.rest = self.rest[:1], self.rest[1:]
        return first

    def run(self, packet):
        """Sends one packet; the answer's text."""
        data = packet.encode("ascii")
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xff))
        while self._byte() != b"$":
            pass
        answer = b""
        while (byte := self._byte()) != b"#":
            answer += byte
        self._byte(), self._byte()      # the checksum: a unix socket loses nothing
        self.socket.sendall(b"+")
        text = answer.decode("ascii")
        if text.startswith("E") or not text:
            raise GdbError(f"{packet[:40]}: {text or 'not known here'}")
        return text

    def read(self, address, length):
        return b"".join(bytes.fromhex(self.run(f"m{address + at:x},{min(CHUNK, length - at):x}"))
                        for at in range(0, length, CHUNK))

    def write(self, address, data):
        for at in range(0, len(data), CHUNK):
            part = data[at:at + CHUNK]
            self.run(f"M{address + at:x},{len(part):x}:{part.hex()}")

    def set_register(self, number, value):
        """Of the general registers, which come first in the debugger's numbers, with 64 bits."""
        self.run(f"P{number:x}={(value & (1 << 64) - 1).to_bytes(8, 'little').hex()}")

    def detach(self):
        """The machine runs on."""
        self.run("D")
        self.socket.close()

    def close(self):
        self.socket.close()

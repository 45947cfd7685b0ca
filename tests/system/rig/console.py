# SPDX-License-Identifier: BSD-2-Clause
#
# The router's serial console at the other end of a unix socket: send a command, expect a text.
# Everything that came is kept, for the report of a failure.

import re
import select
import socket
import time

PROMPT = re.compile(rb"(?:^|[\r\n])([\w.-]+(?:\([\w-]+\))?# )")
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
LOG_LINE = re.compile(r"\[ *\d+\.\d{6}\] (?!<\d>)")
TAIL_LINES = 25


class ConsoleError(AssertionError):
    """What was expected did not come; the text ends with the console's last lines."""


class Console:
    def __init__(self, path, *, alive=lambda: True, on_bytes=lambda data: None):
        self.socket = socket.socket(socket.AF_UNIX)
        self.path = str(path)
        self.alive = alive      # says whether it makes sense to wait on
        self.on_bytes = on_bytes  # sees what comes as it comes, escape sequences included
        self.data = b""
        self.at = 0             # where expect() searches from

    def connect(self, timeout_s=30):
        end = time.monotonic() + timeout_s
        while True:
            try:
                self.socket.connect(self.path)
                return
            except (FileNotFoundError, ConnectionRefusedError):
                if not self.alive() or time.monotonic() > end:
                    raise ConsoleError("QEMU did not offer its console") from None
                time.sleep(0.02)

    def fileno(self):
        return self.socket.fileno()

    def close(self):
        self.socket.close()

    def pump(self, timeout_s=0.0):
        """Takes what has come, waiting for the first of it. False when the other side closed."""
        ready, _, _ = select.select([self.socket], [], [], timeout_s)
        if not ready:
            return True
        try:
            new = self.socket.recv(65536)
        except ConnectionError:
            new = b""
        self.on_bytes(new)
        self.data += ESCAPES.sub(b"", new)
        return bool(new)

    def send(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)

    def expect(self, pattern, timeout_s=30):
        """The match object of a pattern in what comes after the last one that was expected."""
        if isinstance(pattern, str):
            pattern = re.compile(pattern.encode())
        end = time.monotonic() + timeout_s
        open_still = True
        while True:
            match = pattern.search(self.data, self.at)
            if match:
                self.at = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0 or not open_still:
                why = f"not seen in {timeout_s} s" if open_still else "QEMU closed the console"
                raise ConsoleError(f"{pattern.pattern!r}: {why}; the console says\n{self.tail()}")
            open_still = self.pump(min(left, 0.5))

    def find(self, pattern, timeout_s=10):
        """As expect(), in all that ever came; what was expected so far stays so."""
        at, self.at = self.at, 0
        try:
            return self.expect(pattern, timeout_s)
        finally:
            self.at = at

    def wait_prompt(self, timeout_s=30):
        return self.expect(PROMPT, timeout_s).group(1).decode()

    def skip(self):
        """Forgets what was not expected so far."""
        while select.select([self.socket], [], [], 0)[0] and self.pump():
            pass
        self.at = len(self.data)

    def settle(self, quiet_s=0.3):
        """Waits until nothing has come for a moment, and forgets it."""
        while select.select([self.socket], [], [], quiet_s)[0] and self.pump():
            pass
        self.at = len(self.data)

    def command(self, line, timeout_s=30):
        """Runs one command line at the prompt; its output without log lines."""
        self.skip()
        start = self.at
        self.send(line + "\r")
        self.expect(re.compile(rb"\n"), timeout_s)  # the echo
        self.at -= 1
        self.wait_prompt(timeout_s)
        text = self.data[start:self.at].decode(errors="replace").replace("\r", "")
        lines = text.split("\n")[1:-1]
        return "\n".join(each for each in lines if not LOG_LINE.match(each))

    def counters(self):
        """{port: {name: value}} of `show counters`, with the link's state as "state"."""
        ports = {}
        for line in self.command("show counters").splitlines():
            words = line.split()
            if len(words) < 2 or "=" in words[0]:
                continue
            ports[words[0]] = {"state": words[1]}
            for name, _, value in (word.partition("=") for word in words[2:]):
                ports[words[0]][name] = int(value)
        return ports

    def text(self):
        return self.data.decode(errors="replace").replace("\r", "")

    def tail(self, lines=TAIL_LINES):
        return "\n".join("  | " + line for line in self.text().split("\n")[-lines:])

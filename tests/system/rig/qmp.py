# SPDX-License-Identifier: BSD-2-Clause
#
# QEMU's machine protocol: commands as JSON over a unix socket (QEMU documentation: QMP).

import json
import socket


class Qmp:
    def __init__(self, path, timeout_s=30):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout_s)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("r")
        self.file.readline()    # greeting
        self.run("qmp_capabilities")

    def run(self, command, **arguments):
        """The command's answer; events in between are dropped."""
        words = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        self.socket.sendall(json.dumps(words).encode() + b"\n")
        while True:
            answer = json.loads(self.file.readline() or '{"error": "QEMU has gone"}')
            if "error" in answer:
                raise RuntimeError(f"QMP {command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()

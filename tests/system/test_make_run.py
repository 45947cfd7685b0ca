# SPDX-License-Identifier: BSD-2-Clause
#
# `make run` (tests/run/run.py) as its user sees it: status and words, and that nothing of it is
# left, whichever of its processes is killed and how. They are found by a mark in their environment.

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from rig import blobs
from rig.hosts import tun_problem
from rig.machine import TOP
from rig.router import IMAGE, MACHINE, PLATFORM

pytestmark = [pytest.mark.linux_hosts,
              pytest.mark.skipif(bool(tun_problem()), reason=str(tun_problem())),
              pytest.mark.skipif(IMAGE != TOP / f"out/{PLATFORM}/router.img",
                                 reason="another image")]
REPLY = "first reply after"
LIMIT_S = 60


class Run:
    def __init__(self, stdin=subprocess.DEVNULL, **variables):
        self.mark = f"SLUICE_TEST={uuid.uuid4()}"
        environment = {key: value for key, value in os.environ.items()
                       if key not in ("ONCE", "CONSOLE", "APP")}
        name, value = self.mark.split("=")
        self.process = subprocess.Popen(
            [sys.executable, str(TOP / "tests/run/run.py")], cwd=TOP, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**environment, name: value, **variables})
        self.text = ""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        self.process.stdout.close()
        self.process.wait(20)
        for log in self.logs():
            log.unlink(missing_ok=True)

    def logs(self):
        """The console texts that this run has kept."""
        return [TOP / name for name in re.findall(r"out/\S+\.log", self.text)]

    def wait_text(self, text):
        """Reads until it has been said; None: until the end."""
        end = time.monotonic() + LIMIT_S
        while text is None or text not in self.text:
            left = max(0, end - time.monotonic())
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            data = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            if not data and ready and text is None:
                return
            assert data, f"'{text or 'the end'}' did not come:\n{self.text}"
            self.text += data.decode(errors="replace")

    def wait(self):
        self.wait_text(None)
        return self.process.wait(LIMIT_S)

    def pids(self):
        """{pid: command} of all processes of this run."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (path / "environ").read_bytes():
                    found[int(path.name)] = (path / "cmdline").read_bytes().decode()
            except OSError:
                pass
        return found

    def assert_gone(self):
        end = time.monotonic() + 10
        while self.pids() and time.monotonic() < end:
            time.sleep(0.1)
        assert not self.pids(), f"left behind: {self.pids()}"


def test_once():
    with Run(ONCE="1") as run:
        assert run.wait() == 0, run.text
        assert REPLY in run.text and "10 replies, 0 lost" in run.text
        assert "eth0  up" in run.text and "eth1  up" in run.text
        run.assert_gone()


def test_two_side_by_side():
    with Run(ONCE="1") as one, Run(ONCE="1") as other:
        assert one.wait() == 0 and other.wait() == 0, one.text + other.text


def test_interrupt():
    """Ctrl-C is how the table is meant to end."""
    with Run() as run:
        run.wait_text(REPLY)
        os.killpg(run.process.pid, signal.SIGINT)
        assert run.wait() == 0 and "Traceback" not in run.text, run.text
        run.assert_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("victim", ["first", "inner", "qemu", "ping"])
def test_nothing_is_left(number, victim):
    with Run() as run:
        run.wait_text(REPLY)
        pids = sorted(run.pids().items())
        assert len(pids) == 4, pids
        ours = [pid for pid, command in pids if "run.py" in command]
        pid = {"first": run.process.pid,
               "inner": next(pid for pid in ours if pid != run.process.pid),
               "qemu": next(pid for pid, command in pids if command.startswith("qemu")),
               "ping": next(pid for pid, command in pids if command.startswith("ping"))}[victim]
        os.kill(pid, number)
        assert run.wait() != 0
        run.assert_gone()


def test_nothing_gets_through(tmp_path):
    """An application that forwards nothing: status 1 and one line that names the reason."""
    image = IMAGE.parent / f"test-{uuid.uuid4()}.img"
    image.write_bytes(blobs.endless_loop(IMAGE.read_bytes(), PLATFORM))
    try:
        with Run(APP=image.stem) as run:
            assert run.wait() == 1
            last = run.text.strip().splitlines()[-1]
            assert last == "make run: no ping came through in 30 s", run.text
            run.assert_gone()
    finally:
        image.unlink()


def test_no_image():
    with Run(APP="nothing") as run:
        assert run.wait() == 1
        assert run.text.strip() == \
            f"make run: out/{PLATFORM}/nothing.img is not there: run `make` first"


def test_console():
    """CONSOLE=1 on a terminal: the router's prompt, Ctrl-] leaves, the terminal is as before."""
    main, terminal = pty.openpty()
    with Run(stdin=terminal, CONSOLE="1") as run:
        run.wait_text(f"config: from {MACHINE.source}")
        os.write(main, b"show version\r")
        run.wait_text("Sluice ")
        os.write(main, b"\x1d")
        assert run.wait() == 0, run.text
        run.assert_gone()
    os.close(main)
    os.close(terminal)


def test_console_without_terminal():
    with Run(CONSOLE="1") as run:
        assert run.wait() == 1 and run.text.strip() == "make run: CONSOLE=1 needs a terminal"

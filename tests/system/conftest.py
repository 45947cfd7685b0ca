# SPDX-License-Identifier: BSD-2-Clause
#
# What all system tests share: the private network namespace, the standard router, and the report
# of a failure. docs/testing.md says how to write a test.

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("rig.frames", "rig.router")

from rig import router as rig_router    # noqa: E402
from rig.router import Router           # noqa: E402

DGRAM_QUEUE = 2048


def pytest_configure(config):
    """A network namespace of our own: longer queues of datagrams, and taps that nobody sees."""
    config.addinivalue_line("markers", "linux_hosts: needs /dev/net/tun")
    try:
        os.unshare(os.CLONE_NEWNET)
        Path("/proc/sys/net/unix/max_dgram_qlen").write_text(str(DGRAM_QUEUE), encoding="ascii")
    except OSError as error:
        print(f"system tests: no private network namespace ({error.strerror}): "
              "bursts stay short, tests with Linux hosts fail")


def pytest_collection_modifyitems(items):
    if not rig_router.IMAGE.exists():
        pytest.exit(f"{rig_router.IMAGE} is not there: run `make` first", 2)


class Standard:
    """The router that most tests share. One that has died is replaced, for the sake of the rest."""

    def __init__(self):
        self.router = None

    def get(self):
        if self.router and not self.router.alive():
            self.close()
        if not self.router:
            self.router = Router(config=STANDARD_CONFIG).boot().warm()
        return self.router

    def close(self):
        if self.router:
            self.router.close()
            self.router = None


STANDARD_CONFIG = rig_router.rig.CONFIG + f"""ip route 198.18.0.0/15 {rig_router.rig.HOST_IPS[1]}
ip route 203.0.113.0/24 blackhole
"""


@pytest.fixture(scope="session")
def standard():
    holder = Standard()
    yield holder
    holder.close()


@pytest.fixture
def router(standard):
    """
    The standard router with both hosts known. A test leaves it as it found it; one that cannot
    starts a Router of its own.
    """
    router = standard.get()
    for link in router.links:
        link.clear()
    yield router
    if not router.alive() or router.console.data.find(b"panic") >= 0:
        standard.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for router in Router.living:
            report.sections.append(("console", router.console.tail()))

# SPDX-License-Identifier: BSD-2-Clause
#
# `memlimit=`: a component that wants more than it may have is told so, and the rest of the machine
# goes on; and what `show memory` says of it.

import re

from rig import frames as fr
from rig.machine import CONFIG, HOST_IPS
from rig.router import Router


def accounts(router):
    """{name: (KiB, peak, limit or None, refused)}"""
    text = router.console.command("show memory")
    table = text[text.index("Account"):]
    return {name: (int(used), int(peak), None if limit == "-" else int(limit), int(refused))
            for name, used, peak, limit, refused in re.findall(
                r"^([\w-]+) +(\d+) +(\d+) +(\d+|-) +(\d+)\s*$", table, re.M)}


def configure(router, text):
    return [router.console.command(line)
            for line in ("configure", *text.splitlines(), "commit", "end")]


def forwards(router):
    router.warm()
    for port in (0, 1):
        router.passes(fr.udp(port), port=port)


def routes(count):
    """Ten with gaps between them in each of `count` /16s: half a KiB of table and more for each."""
    return "".join(f"ip route 20.{i}.{2 * k}.0/24 {HOST_IPS[1]}\n"
                   for i in range(count) for k in range(1, 11))


def test_known_accounts():
    with Router() as router:
        forwards(router)
        table = accounts(router)
        assert {"kernel", "routes", "neighbours", "packets", "config", "dma", "stacks"} <= set(table)
        for used, peak, limit, refused in table.values():
            assert used <= peak and limit is None and refused == 0
        assert table["packets"][0] > 1408 * 2112 // 1024
        text = router.console.command("show memory zones")
        assert re.search(r"^(DMA32|NORMAL) +\d+ +\d+ +\d+ +\d+ +\d+ +\d+ +\d+$", text, re.M)
        text = router.console.command("show memory caches")
        assert re.search(r"^kmalloc-128 +routes +128 ", text, re.M)


def test_limit_of_routes():
    """A configuration that does not fit is refused as a whole; a smaller one is then accepted."""
    with Router() as router:
        most = accounts(router)["routes"][0] + 48
    with Router(append=f"memlimit=routes:{most}K") as router:
        assert accounts(router)["routes"][2] == most
        answers = "".join(configure(router, routes(250)))
        assert "memory" in answers, answers
        used, peak, _, refused = accounts(router)["routes"]
        assert used <= peak <= most and refused > 0
        assert "20.1." not in router.console.command("show ip route")
        forwards(router)
        router.console.command("configure")
        router.console.command("abort")
        configure(router, routes(3))
        assert "20.2.4.0/24" in router.console.command("show ip route")
        router.passes(fr.udp(dst="20.2.4.5"))


def test_limit_of_neighbours():
    """A scan fills the account: unknown hosts are not reached, known ones are, all is counted."""
    with Router(append="memlimit=neighbours:64K") as router:
        forwards(router)
        router.exchange(*[fr.udp(dst=f"198.51.100.{last}") for last in range(3, 250)])
        router.exchange(*[fr.udp(1, dst=f"192.0.2.{last}") for last in range(3, 250)], port=1)
        used, peak, limit, refused = accounts(router)["neighbours"]
        assert peak <= limit == 64 and used > 0 and refused > 0
        for port in (0, 1):
            router.passes(fr.udp(port), port=port)


def test_limit_of_packets():
    """Fewer packets, smaller rings."""
    with Router(append="memlimit=packets:512K") as router:
        assert accounts(router)["packets"][0] <= 512
        text = router.console.command("show log")
        assert re.search(r"net: \d+ packet buffers, rings of up to (16|32)$", text, re.M)
        forwards(router)
        for _ in range(50):         # no more at a time than the smallest ring takes
            frames = [fr.udp() for _ in range(14)]
            router.exchange(*frames)
        router.passes(fr.udp())
        assert re.search(r"^packets .*refused 0 times", router.console.command("show memory"), re.M)

# SPDX-License-Identifier: BSD-2-Clause
#
# Links that go down and up (QMP set_link), and machines with fewer ports than two.

import pytest

from rig import frames as fr
from rig.frames import HOST, UNREACHABLE
from rig.machine import CONFIG
from rig.router import Router


@pytest.fixture
def own():
    with Router() as router:
        yield router.warm()


def set_link(router, port, up):
    router.qmp.run("set_link", name=f"nic{port}", up=up)
    router.console.expect(f"eth{port}: link {'up' if up else 'down'}")


def state(router, port):
    return router.counters()[f"eth{port}"]["state"]


def test_no_egress_drop_on_down_link(own):
    """Nothing is sent there: host unreachable, counted at the port that is down."""
    set_link(own, 1, False)
    assert state(own, 1) == "down" and state(own, 0) == "up"
    before = own.drops().get(("eth1", "tx-link"), 0)
    frame = fr.udp()
    own.links[0].clear()
    own.links[0].send(frame)
    own.wait(lambda: own.links[0].frames, 10, "host unreachable")
    fr.assert_error(own.links[0].frames[0], frame, UNREACHABLE, HOST, ttl_taken=True)
    assert own.drops()[("eth1", "tx-link")] == before + 1


def test_link_comes_back(own):
    for _ in range(3):
        set_link(own, 1, False)
        own.links[0].send(*[fr.udp() for _ in range(10)])
        set_link(own, 1, True)
        assert state(own, 1) == "up"
        own.exchange()          # resolves the host anew
        own.passes(fr.udp())
        own.passes(fr.udp(1), port=1)
    assert own.counters()["eth1"]["resets"] == 0


def test_link_down_under_load(own):
    """Traffic goes on while the link does what it wants; afterwards all is as before."""
    for turn in range(10):
        own.links[0].send(*[fr.udp() for _ in range(30)])
        own.qmp.run("set_link", name="nic1", up=bool(turn % 2))
        own.collect(0.05)
    own.wait(lambda: state(own, 1) == "up")
    own.exchange()
    own.passes(fr.udp())


def test_ingress_link_down(own):
    """The other direction: the port that frames come from goes away, eth1 still answers."""
    set_link(own, 0, False)
    request = fr.echo(1)
    own.links[1].clear()
    own.links[1].send(request)
    own.wait(lambda: own.links[1].frames, 10, "echo reply")
    fr.assert_echo_reply(own.links[1].frames[0], request, 1)
    set_link(own, 0, True)
    own.passes(fr.udp())


def test_no_nic():
    """A router without ports says so; the console works."""
    with Router(config=None, ports=0) as router:
        router.console.find("no network port found")
        assert "no network ports" in router.console.command("show interfaces")
        assert "Sluice" in router.console.command("show version")


def test_no_nic_with_configuration():
    """The configuration names ports that are not there: named with numbers, not used."""
    with Router(ports=0) as router:
        text = router.console.text()
        assert "line 2: no interface 'eth0'" in text and "line 5: no interface 'eth1'" in text
        assert "is not used" in text


def test_one_nic():
    """A host on one port: it answers, and routes between subnets of that port."""
    config = CONFIG.split("interface eth1")[0]
    with Router(config=config, ports=1) as router:
        request = fr.echo()
        out = router.exchange(request)
        fr.assert_echo_reply(out[0][0], request)
        router.error(fr.udp(), UNREACHABLE, 0)


def test_many_nics():
    """Four ports in discovery order, each with its own MAC address."""
    config = "".join(f"interface eth{i}\n ip address 10.0.{i}.1/24\n!\n" for i in range(4))
    with Router(config=config, ports=4) as router:
        for port in range(4):
            host, mac = f"10.0.{port}.2", f"02:00:00:00:01:0{port + 1}"
            router.links[port].answers[fr.ip_bytes(host)] = fr.mac_bytes(mac)
        for port in range(4):
            out = (port + 1) % 4
            ether = fr.ether(dst=f"02:00:00:00:00:0{port + 1}", src=f"02:00:00:00:01:0{port + 1}")
            frame = bytes(ether
                          / fr.IP(src=f"10.0.{port}.2", dst=f"10.0.{out}.2", ttl=9)
                          / fr.Raw(fr.payload(30)))
            router.links[port].send(frame)
            router.wait(lambda out=out: router.links[out].frames, 20, f"a frame at eth{out}")
            got = router.links[out].frames.popleft()
            assert got[:12] == fr.mac_bytes(f"02:00:00:00:01:0{out + 1}") \
                + fr.mac_bytes(f"02:00:00:00:00:0{out + 1}"), fr.dump(got)
            assert got[22] == 8 and got[34:] == frame[34:], fr.dump(got)

"""Which disks and interfaces count in the totals of a machine: each byte once."""

from pathlib import Path
from typing import Any

import pytest

from monitor.sampling.linux.devices import RECHECK, Devices
from monitor.sampling.linux.interfaces import Interfaces, read_routes

HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


def _disks(root: Path, *real: str, **stacked: str) -> Devices:
    """A `/sys` with disks that have hardware, and disks on others (empty: on something that the kernel does not tell)."""
    for name in real:
        (root / "block" / name / "device").mkdir(parents=True)
    for name, below in stacked.items():
        (root / "block" / name.replace("_", "-") / "slaves" / below).mkdir(parents=True)
    return Devices(str(root))


def test_only_whole_real_disks_count(tmp_path: Path) -> None:
    """Partitions, memory and loops are no disks; what is stacked on a disk is shown but not counted."""
    devices = _disks(tmp_path, "sda", dm_0="sda", loop0="", zram0="")
    names = ("sda", "sda1", "dm-0", "loop0", "zram0", "ram1")
    assert [name for name in names if devices.is_disk(name)] == ["sda", "dm-0"]
    assert devices.counted_disks(frozenset(names)) == {"sda"}


@pytest.mark.parametrize("name", ["zd16", "drbd3", "emcpowera", "nbd0"])
def test_what_stands_on_hardware_unseen_counts_below(tmp_path: Path, name: str) -> None:
    """ZFS volumes, DRBD and others do not tell what they stand on: where there is hardware, only hardware counts."""
    devices = _disks(tmp_path, "nvme0n1", "sda", **{name: ""})
    assert devices.counted_disks(frozenset({"nvme0n1", "sda", name})) == {"nvme0n1", "sda"}


def test_without_hardware_the_lowest_disks_count(tmp_path: Path) -> None:
    """A machine that boots from the network, or shows only its volumes, still has a total."""
    devices = _disks(tmp_path, nbd0="", dm_0="nbd0", dm_1="sda")
    assert devices.counted_disks(frozenset({"nbd0", "dm-0"})) == {"nbd0"}
    assert devices.counted_disks(frozenset({"dm-1"})) == {"dm-1"}


def test_paths_to_one_disk_count_not_the_disk(tmp_path: Path) -> None:
    """NVMe multipath shows each path beside the disk that they lead to."""
    devices = _disks(tmp_path, "nvme0n1", "nvme0c0n1", "nvme0c1n1", "nvme0n2")
    names = frozenset({"nvme0n1", "nvme0c0n1", "nvme0c1n1", "nvme0n2"})
    assert devices.counted_disks(names) == names - {"nvme0n1"}


def test_a_disk_that_is_put_together_later_is_seen(tmp_path: Path) -> None:
    """A volume gets what is below it after it appears: the answer is not kept for ever."""
    devices = _disks(tmp_path, nbd0="", dm_0="")
    names = frozenset({"nbd0", "dm-0"})
    (tmp_path / "block/dm-0/slaves/nbd0").mkdir()
    assert {frozenset(devices.counted_disks(names)) for _ in range(RECHECK + 2)} >= {frozenset({"nbd0"})}


class Machine:
    """Writes a `/sys/class/net` and a routing table."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names: list[str] = []
        self.add("lo", type=772)

    def add(self, name: str, *, peer: int | None = None, real: bool = False, **more: Any) -> None:
        """One interface. `peer` is the number of the other end, in this machine or outside; `master` and `below` are names."""
        base = self.root / "sys/class/net" / name
        base.mkdir(parents=True)
        self.names.append(name)
        index = len(self.names)
        texts = {"type": more.get("type", 1), "ifindex": index, "iflink": index if peer is None else peer}
        texts["uevent"] = f"{'DEVTYPE=' + more['kind'] + chr(10) if 'kind' in more else ''}INTERFACE={name}"
        for file, text in texts.items() | more.get("files", {}).items():
            (base / file).write_text(f"{text}\n", encoding="ascii")
        if real:
            (base / "device").mkdir()
        if more.get("kind") == "bridge":
            (base / "bridge").mkdir()
        for lower in more.get("below", ()):
            (base / f"lower_{lower}").mkdir()
        if "master" in more:
            (base / "master").symlink_to(f"../{more['master']}")

    def counted(self, *routes: str) -> set[str]:
        """What counts with routes as `interface`, `interface/mask`, or `interface>host`."""
        (self.root / "net").mkdir(exist_ok=True)
        table = self.root / "net/route"
        table.write_text(HEAD + "".join(map(_route, routes)), encoding="ascii")
        return set(Interfaces(str(self.root / "sys"), str(self.root)).counted(frozenset(self.names)))


def _route(text: str) -> str:
    if ">" in text:
        return f"{text.partition('>')[0]}\t0203000A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"
    name, wide, mask = text.partition("/")
    to, way = ("0000000A", "00000000") if wide else ("00000000", "0100000A")
    return f"{name}\t{to}\t{way}\t0003\t0\t0\t0\t{mask or '00000000'}\t0\t0\t0\n"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a loopback only."""
    return Machine(tmp_path)


def test_hardware_counts_and_what_stands_on_it_does_not(machine: Machine) -> None:
    """Bridges, VLANs, tunnels and bonds carry bytes of the cards again."""
    machine.add("eno1", real=True, master="bond0")
    machine.add("eno2", real=True, master="bond0")
    machine.add("bond0", kind="bond", below=["eno1", "eno2"])
    machine.add("bond0.7", kind="vlan", peer=4, below=["bond0"])
    machine.add("wg0", kind="wireguard", type=65534)
    machine.add("docker0", kind="bridge")
    assert machine.counted("bond0.7", "docker0/0000FFFF") == {"eno1", "eno2"}
    assert machine.counted("wg0", "bond0.7/00FFFFFF") == {"eno1", "eno2"}


def test_a_card_that_is_shown_twice_counts_once(machine: Machine) -> None:
    """A virtual function is inside the figures of its master; ports of a switch and representors hang on another card."""
    machine.add("eth0", real=True, below=["enP2s2"])
    machine.add("enP2s2", real=True, master="eth0")
    machine.add("lan1", real=True, peer=2, kind="dsa")
    machine.add("pf0vf3", real=True, files={"phys_port_name": "pf0vf3"})
    machine.add("wlan0", real=True, files={"phys_port_name": "p0"})
    assert machine.counted("eth0") == {"eth0", "wlan0"}


def test_an_end_from_outside_counts_beside_a_card_that_is_not_the_way_out(machine: Machine) -> None:
    """A container with a card of its own still talks through its virtual end."""
    machine.add("eth0", peer=55)
    machine.add("ib0", real=True)
    machine.add("veth1", peer=9)
    assert machine.counted("eth0", "ib0/00FFFFFF") == {"eth0", "ib0"}
    assert machine.counted("ib0") == {"ib0"}


def test_a_modem_counts_where_no_card_carries_its_bytes(machine: Machine) -> None:
    """Dial-in over a serial line is no tunnel through a card that nothing is plugged into; over a card that is up it is."""
    machine.add("eth0", real=True, files={"operstate": "down"})
    machine.add("ppp0", type=512)
    assert machine.counted("ppp0") == {"eth0", "ppp0"}
    (machine.root / "sys/class/net/eth0/operstate").write_text("up\n", "ascii")
    machine.add("new0", kind="dummy")  # names that change are looked at again
    assert machine.counted("ppp0") == {"eth0"}


def test_what_windows_and_its_linux_share_is_no_network(machine: Machine) -> None:
    """With mirrored networking, programs of both reach each other by an interface with hardware."""
    machine.add("loopback0", real=True)
    machine.add("eth0", real=True)
    assert machine.counted("eth0") == {"eth0"}


def test_in_a_container_its_own_containers_are_inside(machine: Machine) -> None:
    """Bridges and their ports are not counted, however many bytes pass between them."""
    machine.add("eth0", peer=55)
    machine.add("eth1", peer=57)
    machine.add("br-1", kind="bridge", below=["vethA", "tap3"])
    machine.add("vethA", peer=2, master="br-1")
    machine.add("tap3", master="br-1", files={"tun_flags": "0x1002"})
    assert machine.counted("eth0", "eth1/00FFFFFF", "br-1/00FFFFFF") == {"eth0", "eth1"}
    assert machine.counted("eth0", "br-1/00FFFFFF") == {"eth0"}


def test_routed_containers_are_inside(machine: Machine) -> None:
    """An end with a route to one address, or with a name that managers give to our end, leads to a container of its own."""
    machine.add("eth0", peer=55)
    machine.add("cali12", peer=2)
    machine.add("link7", peer=3)
    machine.add("ve-shop", peer=2)
    assert machine.counted("eth0", "cali12>host", "link7>host", "ve-shop/00FFFFFF") == {"eth0"}


def test_a_tunnel_counts_only_where_there_is_nothing_else(machine: Machine) -> None:
    """Its bytes pass the other interface again; but a space with nothing but a tunnel has them nowhere else."""
    machine.add("wg0", kind="wireguard", type=65534)
    assert machine.counted() == {"wg0"}
    machine.add("dummy0")
    assert machine.counted("wg0", "dummy0/00FFFFFF") == {"wg0"}
    machine.add("eth0", peer=70)
    assert machine.counted("wg0", "eth0/00FFFFFF") == {"eth0"}
    assert machine.counted("eth0", "wg0/FFFFFFFF") == {"eth0"}


def test_the_end_of_a_user_space_network_counts(machine: Machine) -> None:
    """Rootless containers have one tap, which is their way out, and bridges of their own behind it."""
    machine.add("tap0", files={"tun_flags": "0x1002"})
    machine.add("docker0", kind="bridge", below=["veth8"])
    machine.add("veth8", peer=2, master="docker0")
    assert machine.counted("tap0", "docker0/0000FFFF") == {"tap0"}


def test_a_way_out_inside_a_bridge_a_bond_or_a_vrf_is_found(machine: Machine) -> None:
    """The end from outside counts wherever the address sits."""
    machine.add("eth0", peer=55, master="br0")
    machine.add("veth9", peer=2, master="br0")
    machine.add("br0", kind="bridge", below=["eth0", "veth9"])
    assert machine.counted("br0") == {"eth0"}


def test_stacks_without_hardware(machine: Machine) -> None:
    """VLAN, MACVLAN, VXLAN and bond on ends from outside: the ends count. A pair inside the machine is none of them."""
    machine.add("eth0", peer=55, master="bond0")
    machine.add("eth1", peer=56, master="bond0")
    machine.add("bond0", kind="bond", below=["eth0", "eth1"])
    machine.add("bond0.9", kind="vlan", peer=4, below=["bond0"])
    machine.add("shim", kind="macvlan", peer=4)
    machine.add("flannel.1", kind="vxlan", below=["bond0"])
    machine.add("left", peer=9)
    machine.add("right", peer=8)
    assert machine.counted("bond0.9", "flannel.1/00FFFFFF", "left/00FFFFFF") == {"eth0", "eth1"}


def test_without_sys_everything_but_the_loopback_counts(tmp_path: Path) -> None:
    """On systems that tell nothing of interfaces."""
    interfaces = Interfaces(str(tmp_path / "sys"), str(tmp_path))
    assert interfaces.counted(frozenset({"lo", "lo0", "en0", "utun1"})) == {"en0", "utun1"}


def test_changed_masters_are_seen(machine: Machine) -> None:
    """An end is put into a bridge after it appears: the answer is not kept for ever."""
    machine.add("eth0", peer=55)
    machine.add("vx", peer=77)
    machine.add("br0", kind="bridge", below=["vx"])
    machine.counted()
    interfaces = Interfaces(str(machine.root / "sys"), str(machine.root))
    names = frozenset(machine.names)
    assert interfaces.counted(names) == {"eth0", "vx"}
    (machine.root / "sys/class/net/vx/master").symlink_to("../br0")
    assert [interfaces.counted(names) for _ in range(RECHECK + 1)][-1] == {"eth0"}


def test_routes_of_both_protocols(tmp_path: Path) -> None:
    """Default routes and routes to networks; link-local ones, the loopback and routes to one address say nothing."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/route").write_text(HEAD + _route("a") + _route("b/00FFFFFF") + _route("c>host"), encoding="ascii")
    zero = "0" * 32
    rows = [
        (zero, "00", zero, "lo"),
        (zero, "00", "fe80" + "0" * 27 + "1", "d"),
        ("fe80" + "0" * 28, "40", zero, "e"),
        ("fd00" + "0" * 28, "40", zero, "f"),
        ("fd00" + "0" * 27 + "1", "80", zero, "g"),
    ]
    text = "".join(f"{to} {size} {zero} 00 {way} 00000400 00000001 0 00000001 {name}\n" for to, size, way, name in rows)
    (tmp_path / "net/ipv6_route").write_text(text, encoding="ascii")
    routes = read_routes(str(tmp_path))
    assert (routes.default, routes.wide) == ({"a", "d"}, {"a", "b", "d", "f"})

"""Which network interfaces count towards the totals, so that each byte counts once, where it leaves or enters the machine.

Where interfaces have hardware, the hardware counts: bridges, tunnels and ends of containers carry bytes that pass it too.
In a container nothing has hardware. There the interfaces count whose other end is outside and that have a way out: a default
route, a route to a network or one through a gateway. What leads to containers of its own does not: the ports of a bridge,
and ends with a route to a single address only. Tunnels count where there is nothing else: their bytes pass another
interface again, once they are packed.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from monitor.sampling.linux.procfiles import read_file

LOOPBACK: Final = frozenset({"lo", "lo0", "loopback0", "Loopback Pseudo-Interface 1"})
"""`loopback0` is what Windows and its Linux share with mirrored networking."""
RECHECK: Final = 10
"""Readings between two looks at interfaces whose names are the same: masters and routes change."""
_TUNNEL_KINDS: Final = frozenset({"wireguard", "vxlan", "geneve", "ppp", "bareudp", "gtp", "l2tpeth", "amt"})
_TUNNEL_TYPES: Final = frozenset({512, 768, 769, 776, 778, 823, 65534})
"""ARPHRD of PPP, IP tunnels, SIT, GRE, and of interfaces without a link layer (tun, WireGuard)."""
_BRIDGES: Final = frozenset({"bridge", "openvswitch"})
_INNER_KINDS: Final = _BRIDGES | {"bond", "team", "vrf", "vlan"}
_NEAR_END: Final = re.compile(r"(veth|ve-|vb-|vnet|tap|lxc|cali|azv|gke|eni[0-9a-f]{8}|fw(pr|ln))")
"""Names that container and machine managers give to our end of a pair. What comes into a container has none of them."""
_DOWN: Final = frozenset({b"down", b"lowerlayerdown", b"notpresent"})
_PSEUDO: Final = re.compile(r"(dummy|ifb|nlmon|kube-ipvs|nodelocaldns)")
"""What takes bytes and leads nowhere, or shows those of another interface again."""
_REPRESENTOR: Final = re.compile(rb"(c\d+)?pf\d+(vf|sf)\d+")
"""The port name of what stands for a virtual function inside its card: the card's own interface counts its bytes."""


@dataclass(frozen=True, slots=True)
class Link:
    """One interface as `/sys/class/net` shows it. `below` are interfaces of this machine whose bytes it carries."""

    name: str
    kind: str = ""
    type: int = 1
    index: int = 0
    peer: int = 0
    has_tun: bool = False
    is_bridge: bool = False
    master: str | None = None
    below: frozenset[str] = frozenset()

    @property
    def is_tunnel(self) -> bool:
        """Whether its bytes leave a second time, packed, through another interface."""
        return self.kind in _TUNNEL_KINDS or self.type in _TUNNEL_TYPES

    @property
    def is_inner(self) -> bool:
        """Whether it only joins or divides other interfaces of this machine."""
        return self.is_bridge or self.kind in _INNER_KINDS or bool(self.below)

    @property
    def leads_outside(self) -> bool:
        """Whether its other end is in another network name space, or nothing is known of it."""
        return self.peer != self.index or self.index == 0


@dataclass(frozen=True, slots=True)
class Routes:
    """The interfaces of the routing table: those with a default route, and those that lead to more than one address."""

    default: frozenset[str] = frozenset()
    wide: frozenset[str] = frozenset()


class Interfaces:
    """Says which interfaces count. The answer is kept while the names stay, and found again every `RECHECK` readings.

    Args:
        sys: `/sys`, or a copy of it. Without it, every interface but the loopback counts.
        proc: `/proc`, or a copy of it.
    """

    def __init__(self, sys: str = "/sys", proc: str = "/proc") -> None:
        self._net = f"{sys}/class/net"
        self._proc = proc
        self._names: frozenset[str] | None = None
        self._counted: frozenset[str] = frozenset()
        self._asked = 0

    def counted(self, names: frozenset[str]) -> frozenset[str]:
        """Those of `names`, all interfaces of the machine, that count towards its totals."""
        if names != self._names or self._asked >= RECHECK:
            self._names, self._asked = names, 0
            self._counted = self._choose(names - LOOPBACK)
        self._asked += 1
        return self._counted

    def _choose(self, outside: frozenset[str]) -> frozenset[str]:
        wired = frozenset(name for name in outside if Path(f"{self._net}/{name}/device").exists())
        routes = read_routes(self._proc)
        hardware = self._once(wired)
        if hardware and (not routes.default & outside or routes.default & wired):
            return hardware
        links = {name: self._link(name, outside) for name in outside}
        machine = _Stack(links, routes)
        if not hardware:
            return machine.counted()
        ways = machine.leaves(routes.default & outside)
        if ways & wired:
            return hardware
        carried = any(self._text(name, "operstate") not in _DOWN for name in wired)  # else a modem is behind the tunnel
        beside = {
            name for name in ways - wired if (links[name].leads_outside and not links[name].is_tunnel) or not carried
        }
        return hardware | beside

    def _once(self, wired: frozenset[str]) -> frozenset[str]:
        """Hardware without what shows the bytes of other hardware again.

        A virtual function behind a virtual card (Azure, failover) is inside its master's figures; a port of a switch
        hangs below the processor's own interface; a representor stands for a function of its card.
        """
        indices = {self._number(name, "ifindex"): name for name in wired}
        return frozenset(
            name
            for name in wired
            if self._master(name) not in wired
            and indices.get(self._number(name, "iflink"), name) == name
            and not _REPRESENTOR.fullmatch(self._text(name, "phys_port_name"))
        )

    def _link(self, name: str, outside: frozenset[str]) -> Link:
        try:
            entries = os.listdir(f"{self._net}/{name}")  # noqa: PTH208 - names are all that is needed
        except OSError:  # it is gone, or nothing is known of interfaces here
            return Link(name)
        told = dict(line.partition(b"=")[::2] for line in self._text(name, "uevent").split(b"\n"))
        return Link(
            name,
            kind=told.get(b"DEVTYPE", b"").decode("ascii", "replace"),
            type=self._number(name, "type"),
            index=self._number(name, "ifindex"),
            peer=self._number(name, "iflink"),
            has_tun="tun_flags" in entries,
            is_bridge="bridge" in entries or name == "ovs-system",
            master=self._master(name) if "master" in entries else None,
            below=frozenset(entry.removeprefix("lower_") for entry in entries if entry.startswith("lower_")) & outside,
        )

    def _text(self, name: str, entry: str) -> bytes:
        try:
            return read_file(f"{self._net}/{name}/{entry}", 4_096).strip()
        except OSError:  # not every interface has every entry
            return b""

    def _number(self, name: str, entry: str) -> int:
        text = self._text(name, entry)
        return int(text) if text.isdigit() else 0

    def _master(self, name: str) -> str | None:
        try:
            return os.readlink(f"{self._net}/{name}/master").rpartition("/")[2]  # noqa: PTH115 - the name only
        except OSError:  # nobody's
            return None


@dataclass(frozen=True, slots=True)
class _Stack:
    """The interfaces of a machine of which none has hardware, and how they stand on each other."""

    links: Mapping[str, Link]
    routes: Routes
    _by_index: dict[int, Link] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_index.update((link.index, link) for link in self.links.values() if link.index)

    def counted(self) -> frozenset[str]:
        """The interfaces through which bytes leave: the first of these kinds that there is."""
        links, names = self.links, self.links.keys()
        ways, wide = self.leaves(self.routes.default & names), self.leaves(self.routes.wide & names)
        edges = {name for name, link in links.items() if self._is_edge(link)}
        far = {name for name in edges & wide if not _NEAR_END.match(name) and not self._is_port(name)}
        free = {name for name in names if not links[name].is_inner and not self._is_port(name)}
        plain = {name for name in free if not links[name].is_tunnel and not _PSEUDO.match(name)}
        kinds = (edges & ways | far, plain & ways, plain & wide, free & ways, free & edges, plain, ways, free, names)
        return frozenset(next((kind for kind in kinds if kind), ()))

    def leaves(self, names: Iterable[str]) -> set[str]:
        """What interfaces stand on: an interface itself, or the ends below a VLAN, a bond or a bridge."""
        found: set[str] = set()
        seen: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.links:
                continue
            seen.add(name)
            below = self._below(self.links[name])
            if below:
                waiting += below
            else:
                found.add(name)
        return found

    def _below(self, link: Link) -> frozenset[str]:
        if link.is_bridge:
            ports = {name for name in self._ports(link) if not self.links[name].has_tun and not _NEAR_END.match(name)}
            # of a bridge that leads outside, the way out is the end that came from outside; a bridge with a default
            # route and no such end is the way out itself
            return frozenset(ports) if link.name in self._leading() else frozenset()
        under = self._by_index.get(link.peer)
        if not link.below and link.kind and under is not None and under is not link:
            return frozenset({under.name})  # a kernel without `lower_` entries
        return frozenset() if link.is_tunnel and not link.below else link.below

    def _leading(self) -> set[str]:
        """The interfaces with a default route, and the bridges and bonds that these stand on."""
        found: set[str] = set()
        waiting = list(self.routes.default & self.links.keys())
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.links:
                found.add(name)
                waiting += self.links[name].below
        return found

    def _ports(self, bridge: Link) -> set[str]:
        return {name for name, link in self.links.items() if link.master == bridge.name or name in bridge.below}

    def _is_port(self, name: str) -> bool:
        """Whether it belongs to a bridge, so that its bytes stay inside unless the bridge leads outside."""
        master = self.links.get(self.links[name].master or "")
        return master is not None and (master.is_bridge or master.kind in _BRIDGES)

    def _is_edge(self, link: Link) -> bool:
        """Whether its other end is outside: not in this machine, and no tunnel."""
        if not link.leads_outside or link.is_inner or link.is_tunnel or self._below(link):
            return False
        under = self._by_index.get(link.peer)
        is_pair = under is not None and under is not link and under.peer == link.index and link.index != 0
        return not is_pair or link.name in self.routes.default


def read_routes(proc: str) -> Routes:
    """The routing tables of IPv4 and IPv6; empty where there are none."""
    default: set[str] = set()
    wide: set[str] = set()
    for line in _lines(f"{proc}/net/route")[1:]:
        word = line.split()
        if len(word) >= 8:
            name = word[0].decode("utf-8", "replace")
            if (word[1], word[7]) == (b"00000000", b"00000000"):
                default.add(name)
            if word[7] != b"FFFFFFFF" or word[2] != b"00000000":
                wide.add(name)
    for line in _lines(f"{proc}/net/ipv6_route"):
        word = line.split()
        if len(word) >= 10 and word[0][:3] not in (b"fe8", b"ff0"):
            name = word[9].decode("utf-8", "replace")
            if word[1] == b"00":
                default.add(name)
            if word[1] != b"80" or word[4].strip(b"0"):
                wide.add(name)
    return Routes(frozenset(default) - LOOPBACK, frozenset(wide) - LOOPBACK)


def _lines(path: str) -> list[bytes]:
    try:
        return read_file(path, 262_144).splitlines()
    except OSError:  # no such protocol, or no network at all
        return []

"""The identity of a run: one life of one process.

A pid comes back within a minute on a busy machine, so a pid is not an identity. Boot, pid and the
kernel's start tick together are; one 63-bit number stands for the three (and the host) everywhere.
"""

import hashlib


def run_key(host: str, boot_id: str, pid: int, start_tick: int) -> int:
    """The run's number: 63 bits of BLAKE2b over host, boot, pid and start tick.

    With a million runs the chance of any collision is about 5e-8 (birthday bound).
    """
    text = f"{host}\0{boot_id}\0{pid}\0{start_tick}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1

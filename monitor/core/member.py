"""Which of several equal processes one is: workers of one command often differ by nothing but a number in their environment, such as `RANK`.

Of an environment nothing is kept but that number and the word for it: the rest may hold secrets.
"""

import re
from collections.abc import Callable
from typing import Final

ENVIRONMENT_READ: Final = 65_536
_NUMBER: Final = re.compile(rb"=(\d{1,6})\0")
"""A value that is a small number. To look for the name before it from here takes a fifth of the time that reading all names takes."""
_RANKS: Final[tuple[tuple[bytes, tuple[bytes, ...]], ...]] = (
    (b"RANK", (b"WORLD_SIZE",)),
    (b"OMPI_COMM_WORLD_RANK", (b"OMPI_COMM_WORLD_SIZE",)),
    (b"MV2_COMM_WORLD_RANK", (b"MV2_COMM_WORLD_SIZE",)),
    (b"PMI_RANK", (b"PMI_SIZE",)),
    (b"PMIX_RANK", (b"SLURM_STEP_NUM_TASKS", b"SLURM_NTASKS")),
    (b"PALS_RANKID", (b"PALS_SIZE",)),
    (b"FLUX_TASK_RANK", (b"FLUX_JOB_SIZE",)),
    (b"HOROVOD_RANK", (b"HOROVOD_SIZE",)),
    (b"PADDLE_TRAINER_ID", (b"PADDLE_TRAINERS_NUM",)),
    (b"JAX_PROCESS_ID", (b"JAX_NUM_PROCESSES",)),
    (b"SLURM_PROCID", (b"SLURM_STEP_NUM_TASKS", b"SLURM_NTASKS", b"SLURM_NPROCS")),
    (b"LOCAL_RANK", (b"LOCAL_WORLD_SIZE",)),
    (b"OMPI_COMM_WORLD_LOCAL_RANK", (b"OMPI_COMM_WORLD_LOCAL_SIZE",)),
    (b"MPI_LOCALRANKID", (b"MPI_LOCALNRANKS",)),
)
"""Ranks of distributed programs, the one among all before those of one machine; each with what says how many there are."""
_ARRAYS: Final = (
    b"SLURM_ARRAY_TASK_ID",
    b"SGE_TASK_ID",
    b"PBS_ARRAY_INDEX",
    b"JOB_COMPLETION_INDEX",
    b"AWS_BATCH_JOB_ARRAY_INDEX",
    b"CLOUD_RUN_TASK_INDEX",
)
"""Numbers of the tasks of one job."""
_OTHERS: Final = {
    b"NODE_APP_INSTANCE": "instance",
    b"NODE_UNIQUE_ID": "worker",
    b"JEST_WORKER_ID": "worker",
    b"VITEST_POOL_ID": "worker",
    b"PARALLEL_SEQ": "task",
    b"CUDA_VISIBLE_DEVICES": "GPU",
}
_SHAPE: Final = re.compile(
    rb"(?:[A-Z0-9]+_)*(RANK|WORKER|TASK|INSTANCE|SHARD|REPLICA|PARTITION)(?:_(?:ID|IDX|INDEX|NUM|NUMBER|NO|NR))?"
)
"""How people name such a number themselves."""
_OTHERWISE: Final = re.compile(
    b"|".join(name for name, _ in _RANKS)
    + b"|"
    + rb"(?:.*_)?(?:NODE|GROUP|ROLE)_RANK|(?:.*_)?(?:MAX|MIN|DEFAULT|TOTAL|NUM)_.*"
)
"""What has this form and is none: the only rank there is, those of machines and of groups, which all processes of one have, and limits."""


def member_of(environment: bytes, parents: Callable[[], bytes]) -> str | None:
    r"""Which of several equal processes this is, such as `rank 3`; None if its environment does not say.

    A rank, or the number of a task, is also told of what a member starts. Any other variable may have been set for all that a person runs, so it counts only if the
    process did not inherit it.

    Args:
        environment: as `/proc/PID/environ` has it: `NAME=value`, each with a NUL behind it.
        parents: reads that of its parent; asked only where that matters.

    >>> member_of(b"HOME=/root\0LOCAL_RANK=1\0RANK=3\0WORLD_SIZE=8\0", bytes)
    'rank 3'
    """
    found = _numbers(environment)
    if not found:
        return None
    for name, sizes in _RANKS:
        if name in found and (size := next((found[one] for one in sizes if one in found), None)) != 1:
            return f"rank {found[name]}" if size is None or found[name] < size else None
    for name in _ARRAYS:
        if name in found:
            return f"task {found[name]}"
    inherited: dict[bytes, int] | None = None
    for name, value in found.items():
        word = _OTHERS.get(name)
        if word is None and (shape := _SHAPE.fullmatch(name)) is not None and not _OTHERWISE.fullmatch(name):
            word = shape[1].decode().lower()
        if word is not None:
            inherited = _numbers(parents()) if inherited is None else inherited
            if inherited.get(name) != value:
                return f"{word} {value}"
    return None


def _numbers(environment: bytes) -> dict[bytes, int]:
    return {
        environment[environment.rfind(b"\0", 0, at) + 1 : at]: int(found[1])
        for found in _NUMBER.finditer(environment)
        if (at := found.start())
    }

"""Which of several equal processes one is, by its environment."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.member import member_of
from monitor.core.process_title import title_of
from monitor.lifecycle.interest import is_part_of
from monitor.metrics.messages import RunInfo


def environment(**variables: object) -> bytes:
    """As the kernel has it."""
    return "".join(f"{name}={value}\0" for name, value in {"HOME": "/root", **variables, "LANG": "C"}.items()).encode()


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"RANK": 3, "LOCAL_RANK": 1, "WORLD_SIZE": 8, "GROUP_RANK": 1, "ROLE_RANK": 3}, "rank 3"),
        ({"LOCAL_RANK": 1, "RANK": 11, "WORLD_SIZE": 16}, "rank 11"),
        ({"RANK": 0, "WORLD_SIZE": 1}, None),
        ({"RANK": 0}, "rank 0"),
        ({"LOCAL_RANK": 2, "LOCAL_WORLD_SIZE": 4}, "rank 2"),
        ({"OMPI_COMM_WORLD_RANK": 5, "OMPI_COMM_WORLD_SIZE": 6, "OMPI_COMM_WORLD_LOCAL_RANK": 1}, "rank 5"),
        ({"PMI_RANK": 7, "PMI_SIZE": 8}, "rank 7"),
        ({"SLURM_PROCID": 4, "SLURM_NTASKS": 8, "SLURM_JOB_ID": 17, "SLURM_NODEID": 1}, "rank 4"),
        ({"SLURM_PROCID": 0, "SLURM_NTASKS": 1}, None),
        ({"SLURM_PROCID": 0, "SLURM_NTASKS": 1, "SLURM_ARRAY_TASK_ID": 12}, "task 12"),
        ({"JOB_COMPLETION_INDEX": 2}, "task 2"),
        ({"SGE_TASK_ID": "undefined"}, None),
        ({"NODE_APP_INSTANCE": 1}, "instance 1"),
        ({"NODE_UNIQUE_ID": 2}, "worker 2"),
        ({"CUDA_VISIBLE_DEVICES": 3}, "GPU 3"),
        ({"CUDA_VISIBLE_DEVICES": "0,1"}, None),
        ({"CUDA_VISIBLE_DEVICES": 3, "RANK": 1, "WORLD_SIZE": 4}, "rank 1"),
        ({"WORKER_ID": 6}, "worker 6"),
        ({"SHARD_INDEX": 0}, "shard 0"),
        ({"APP_INSTANCE": 2}, "instance 2"),
        ({"MAX_WORKER_NUM": 8, "NUM_TASK_ID": 3}, None),
        ({"WORLD_SIZE": 8, "SHLVL": 1, "OMP_NUM_THREADS": 4, "PORT": 8001}, None),
        ({"RANK": "3a", "WORKER_ID": "i-0abc", "TASK_ID": "1234567"}, None),
        ({"NOT_A": "x RANK=3", "OTHER": "RANK=3"}, None),
        ({}, None),
    ],
)
def test_a_small_number_tells_equal_processes_apart(variables: dict[str, object], told: str | None) -> None:
    """Ranks come before all else, the one among all before that of a machine; one that is alone has none; text is no number."""
    assert member_of(environment(**variables), bytes) == told


def test_what_a_person_set_for_all_tells_nothing_apart() -> None:
    """A variable that a process inherited is no news, unless it is a rank or the task of a job, whose helpers belong to it."""
    for name, word in (("CUDA_VISIBLE_DEVICES", "GPU"), ("WORKER_ID", "worker")):
        mine = environment(**{name: 1})
        assert member_of(mine, partial(bytes, mine)) is None
        assert member_of(mine, partial(environment, **{name: 2})) == f"{word} 1"
    for variables in ({"RANK": 3, "WORLD_SIZE": 8}, {"SLURM_ARRAY_TASK_ID": 3}):
        mine = environment(**variables)
        assert member_of(mine, partial(bytes, mine)) is not None


@given(st.binary(max_size=300))
def test_any_environment_can_be_read(raw: bytes) -> None:
    """A process may write anything there; what comes of it is short."""
    assert len(member_of(raw, lambda: raw) or "") <= 20
    assert member_of(raw.rstrip(b"\0") + b"\0RANK=3\0", bytes) is not None


@pytest.mark.parametrize(
    ("name", "cmdline", "member", "title"),
    [
        ("python", "python train.py --lr 1", "rank 3", "python train.py (rank 3)"),
        ("python", "python -u -m shop.train --local-rank=1", "rank 5", "python -m shop.train (rank 5)"),
        ("python", "python train.py --local-rank=1", None, "python train.py (rank 1)"),
        ("pt_main_thread", "python train.py", "rank 0", "python train.py (rank 0)"),
        ("lmp", "/opt/lmp -in x.in", "rank 12", "lmp (rank 12)"),
        ("node", "node server.js", "instance 1", "node server.js (instance 1)"),
    ],
)
def test_the_number_is_part_of_the_title(name: str, cmdline: str, member: str | None, title: str) -> None:
    """Whatever the program; it stands for the one of the command line, which may be of this machine only."""
    assert title_of(name, cmdline, member) == title


def test_workers_are_parts_of_their_program_whatever_their_number() -> None:
    """A worker of a cluster belongs to the process that started it, which has no number."""

    def one(member: str | None) -> RunInfo:
        return RunInfo(1, 1, 1, 1, 0, "root", "node", "node server.js", None, None, 0, False, member=member)

    assert is_part_of(one("worker 2"), one(None))

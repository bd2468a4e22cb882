"""Which processes began since all were listed, by the kernel's count of numbers."""

from pathlib import Path

from logs.following.newborn import NewPids


def given(proc: Path, newest: int) -> None:
    """The kernel has given this number last."""
    (proc / "loadavg").write_text(f"0.1 0.1 0.1 1/200 {newest}\n", "ascii")


def begins(proc: Path, pid: int, of: int | None = None) -> None:
    """A process, or a thread of one, is listed."""
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "status").write_text(f"Name:\tx\nTgid:\t{of or pid}\nPid:\t{pid}\n", "ascii")


def test_a_process_that_is_listed_after_it_has_its_number_is_met(tmp_path: Path) -> None:
    """A busy machine may give a number long before the process can be seen; threads are not met, and whoever ends is left out."""
    given(tmp_path, 10)
    new = NewPids(str(tmp_path))
    new.mark()
    new.forget([1, 10])
    given(tmp_path, 13)
    begins(tmp_path, 11)
    begins(tmp_path, 12, of=11)
    assert new.young() == [11]
    begins(tmp_path, 13)
    assert new.young() == [13, 11]
    (tmp_path / "11" / "status").unlink()
    (tmp_path / "11").rmdir()
    assert new.young() == [13]
    new.forget([1, 10, 13])
    assert new.young() == []


def test_numbers_begin_anew(tmp_path: Path) -> None:
    """After the highest number the list is read."""
    given(tmp_path, 4_194_000)
    new = NewPids(str(tmp_path))
    new.forget([1])
    begins(tmp_path, 1)
    begins(tmp_path, 300)
    given(tmp_path, 300)
    assert new.young() == [300]

"""The number that stands for one life of one process."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics.messages import run_key

IDENTITY = st.tuples(st.text(max_size=20), st.text(max_size=40), st.integers(0, 2**31), st.integers(0, 2**62))


@given(IDENTITY)
def test_a_run_has_one_number_of_63_bits(identity: tuple[str, str, int, int]) -> None:
    """The same identity gives the same number, which fits a signed 64-bit column."""
    assert 0 <= run_key(*identity) < 2**63
    assert run_key(*identity) == run_key(*identity)


@given(IDENTITY, IDENTITY)
def test_different_runs_have_different_numbers(
    one: tuple[str, str, int, int], other: tuple[str, str, int, int]
) -> None:
    """Host, boot, pid and start each make a difference."""
    if one != other and not any("\0" in part for part in (*one[:2], *other[:2])):
        assert run_key(*one) != run_key(*other)


def test_the_number_never_changes() -> None:
    """Stored histories rely on it."""
    assert run_key("host", "boot", 42, 4711) == 8_162_290_815_331_040_723

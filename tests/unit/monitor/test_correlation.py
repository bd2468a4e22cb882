"""Readings beside counts: what goes together is found, and what does not is not, however alike neighbours are."""

import random

from monitor.client.correlation import correlate


def test_what_goes_together_is_found() -> None:
    """Counts that rise with the readings correlate, whatever the shape; buckets without a reading are left out."""
    readings = [float((7 * at) % 100) for at in range(100)]
    found = correlate("x", [*readings, None], [*(round(reading**2 / 100) for reading in readings), 9])
    assert found.buckets == 100
    assert found.strength is not None
    assert found.strength > 0.99
    assert found.p_value is not None
    assert found.p_value <= 0.02
    assert found.with_records is not None
    assert found.without is not None
    assert found.with_records > found.without
    down = correlate("x", readings, [round(100 - reading) for reading in readings])
    assert down.strength is not None
    assert down.strength < -0.99


def test_walks_that_have_nothing_to_do_with_each_other_are_not_taken_for_related() -> None:
    """Two series whose neighbours are alike look related to a plain test; here hardly one in twenty does."""
    chance, wrong = random.Random(3), 0
    for _ in range(60):
        walks = [[0.0], [0.0]]
        for walk in walks:
            for _ in range(119):
                walk.append(0.9 * walk[-1] + chance.gauss(0, 1))
        found = correlate("x", walks[0], [max(0, round(3 * value)) for value in walks[1]])
        wrong += found.p_value is not None and found.p_value < 0.05
    assert wrong <= 8


def test_too_little_says_nothing() -> None:
    """A short or constant series has no strength, and none without readings is an error."""
    assert correlate("x", [1.0, 2.0], [0, 1]).strength is None
    assert correlate("x", [1.0] * 50, list(range(50))).strength is None
    empty = correlate("x", [None] * 50, [0] * 50)
    assert (empty.buckets, empty.strength, empty.p_value, empty.with_records, empty.without) == (
        0,
        None,
        None,
        None,
        None,
    )

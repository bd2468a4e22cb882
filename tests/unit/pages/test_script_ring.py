"""The readings a tab keeps: order, missing samples, histories told again, bounds; and series of the store as charts draw them."""

from tests.doubles.node import run_script

PUSHED = 'const { Ring } = await load("live/ring"); const ring = new Ring(given?.keep); '


def test_readings_stay_in_order_and_repeats_are_dropped() -> None:
    """A reading of a time that is already there, or a little older, changes nothing."""
    ts, series = run_script(
        PUSHED + "for (const at of given.at) ring.push(at * 1e6, { a: at }); return [ring.ts, ring.series]",
        {"at": [1, 2, 2, 1, 3]},
    )
    assert ts == [1e6, 2e6, 3e6]
    assert series == {"a": [1, 2, 3]}


def test_a_clock_that_was_set_back_begins_anew() -> None:
    """Readings from before the change would stand in the future, so they are dropped."""
    assert run_script(
        PUSHED + "ring.push(500e6, { a: 1 }); ring.push(400e6, { a: 2 }); return [ring.ts, ring.series.a]"
    ) == [[400e6], [2]]


def test_a_missing_sample_is_a_gap_in_every_metric() -> None:
    """A gap holds no value of any metric, so that lines break there; a metric that comes later is empty before."""
    ts, series = run_script(
        PUSHED
        + "ring.push(1e6, { a: 1 }); ring.hole(5e6); ring.push(5e6, { a: 5, b: 50, words: 'no number' }); return [ring.ts, ring.series]"
    )
    assert ts == [1e6, 3e6, 5e6]
    assert series == {"a": [1, None, 5], "b": [None, None, 50]}


def test_the_newest_value_is_found_behind_a_gap() -> None:
    """A card shows the last good value while there is none."""
    assert run_script(
        PUSHED
        + "ring.push(1e6, { a: 7 }); ring.push(2e6, {}); ring.push(3e6, { b: 0 }); return [ring.newest('a'), ring.newest('b'), ring.newest('c')]"
    ) == [7, 0, None]


def test_a_history_told_again_heals_the_gaps_of_this_tab() -> None:
    """A history is the truth for its time: gaps go, what came before and after stays, and so do metrics of the tab alone."""
    ts, series = run_script(
        PUSHED
        + """
        for (const at of [1, 2, 5]) ring.push(at * 1e6, { a: at, own: at * 10 });
        ring.hole(9e6);
        ring.push(9e6, { a: 9, own: 90 });
        ring.load({ ts: [2e6, 3e6, 4e6, 5e6, 6e6, 7e6, 8e6], series: { a: [2, 3, 4, 5, 6, 7, 8], b: [null, 1, 1, 1, 1, 1, 1] } });
        return [ring.ts.map((at) => at / 1e6), ring.series]"""
    )
    assert ts == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert series["a"] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert series["b"] == [None, None, 1, 1, 1, 1, 1, 1, None]
    assert series["own"] == [10, 20, None, None, 50, None, None, None, 90]


def test_old_readings_are_dropped_in_time_and_values_alike() -> None:
    """The ring holds at most a quarter more than it keeps, and every metric is as long as the times."""
    length, last, lengths = run_script(
        PUSHED
        + "for (let i = 0; i < 1000; i += 1) ring.push(i * 1e6, { a: i, ...(i > 900 ? { b: i } : {}) });"
        + "return [ring.ts.length, ring.last, Object.values(ring.series).map((column) => column.length)]",
        {"keep": 100},
    )
    assert 100 <= length <= 125
    assert last == 999e6
    assert lengths == [length, length]


def test_a_mean_counts_only_readings_of_its_span() -> None:
    """Gaps do not count as zero, and without a reading there is no mean."""
    assert run_script(
        PUSHED
        + "[2, null, 4, 100].forEach((a, i) => ring.push(i * 1e6, { a }));"
        + "return [ring.mean('a', 0, 3e6), ring.mean('a', 1e6, 2e6), ring.mean('none', 0, 3e6)]"
    ) == [3, None, None]


def test_buckets_fill_only_what_is_missing() -> None:
    """Averages of the store take the place of readings that were never sent, and replace none."""
    assert run_script(
        PUSHED
        + "[null, 7, null, null].forEach((a, i) => ring.push(i * 1e6, { a, b: 0 }));"
        + "ring.fill({ ts: [0, 2e6], bucket_us: 1e6, series: { a: { avg: [1, 2] } } }); return ring.series.a"
    ) == [1, 7, 2, None]


def test_what_is_known_better_replaces_what_was_said_before() -> None:
    """A tab's first status may be a minute old: what it said gives way to the trend of the next one, where that reaches."""
    assert run_script(
        PUSHED
        + "[3, 3, null, 9].forEach((a, i) => ring.push(i * 1e6, { a, b: 0 }));"
        + "ring.fill({ ts: [1e6, 2e6], bucket_us: 1e6, series: { a: { avg: [7, 8] } } }, true); return ring.series.a"
    ) == [3, 7, 8, 9]


def test_an_empty_second_between_two_samples_is_no_gap() -> None:
    """Of buckets without a reading only those where the store missed samples break a line."""
    answer = {
        "ts": [0, 1e6, 2e6, 3e6, 4e6],
        "bucket_us": 1e6,
        "gaps": [[3.1e6, 4.2e6]],
        "series": {"a": {"avg": [1, None, 3, None, 5]}},
    }
    ts, values = run_script(
        'const { seriesOf } = await load("charts/series");'
        'const { ts, columns } = await seriesOf({ kind: "host" }, ["a"], {}, { get: async () => given }); return [ts, columns.a.avg]',
        answer,
    )
    assert (ts, values) == ([0, 2e6, 3e6, 4e6], [1, 3, None, 5])


def test_the_metrics_of_every_gpu_get_its_name() -> None:
    """All GPUs stand in one set of columns, named by their number."""
    gpu = {"util_pct": {"avg": [1, 2], "min": [0, 1], "max": [2, 3]}}
    answer = {
        "bucket_us": 60e6,
        "gpus": [{"index": index, "ts": [0, 60e6], "series": gpu} for index in (0, 1)],
    }
    names, columns = run_script(
        'const { seriesOf } = await load("charts/series");'
        'const { columns } = await seriesOf({ kind: "gpu" }, [], {}, { get: async () => given }); return [Object.keys(columns), columns]',
        answer,
    )
    assert names == ["gpu0.util_pct", "gpu1.util_pct"]
    assert columns["gpu1.util_pct"] == gpu["util_pct"]

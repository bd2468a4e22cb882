"""One question at a time: what the live components do with answers that come late, in another order, or never."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doubles.node import run_script

RUN = """
const { Latest } = await load("core/api");
const results = [];
for (const steps of given) {
  const latest = new Latest(), told = [], open = [], waits = [];
  for (const [what, which] of steps) {
    if (what === "ask") {
      const number = open.length;
      const asked = { signal: null };
      const answer = new Promise((resolve, reject) => Object.assign(asked, { resolve, reject }));
      asked.over = latest.ask((signal) => { asked.signal = signal; return answer; }, (found) => told.push(["found", found]), (error) => told.push(["failed", error.message]));
      open.push(asked);
    } else if (what === "stop") latest.stop();
    else if (open.length) {
      const number = which % open.length;
      open[number][what === "answer" ? "resolve" : "reject"](what === "answer" ? number : new Error(String(number)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    waits.push(latest.waits);
  }
  results.push({ told, waits, aborted: open.map(({ signal }) => signal.aborted) });
}
return results;"""
STEPS = st.lists(st.tuples(st.sampled_from(["ask", "ask", "stop", "answer", "fail"]), st.integers(0, 5)), max_size=14)


def expected(steps: list[tuple[str, int]]) -> dict[str, Any]:
    """The same, as one would say it: only the newest question counts, once, until it is answered or stopped."""
    told: list[list[Any]] = []
    waits: list[bool] = []
    settled: set[int] = set()
    aborted: list[bool] = []
    current: int | None = None
    for what, which in steps:
        if what in {"ask", "stop"}:
            if current is not None:
                aborted[current] = True
            current = len(aborted) if what == "ask" else None
            if what == "ask":
                aborted.append(False)
        elif aborted:
            number = which % len(aborted)
            if number == current and number not in settled:
                told.append(["found", number] if what == "answer" else ["failed", str(number)])
                current = None
            settled.add(number)
        waits.append(current is not None)
    return {"told": told, "waits": waits, "aborted": aborted}


@settings(max_examples=8)
@given(st.lists(STEPS, min_size=40, max_size=120))
def test_only_the_newest_question_is_answered(cases: list[list[tuple[str, int]]]) -> None:
    """Whatever the order of questions and answers."""
    found = run_script(RUN, cases)
    assert found == [expected(steps) for steps in cases]


def test_an_error_while_an_answer_is_shown_is_told() -> None:
    """It does not vanish, and the next question can be asked."""
    body = """
    const { Latest } = await load("core/api");
    const latest = new Latest(), told = [];
    await latest.ask(() => 1, () => { throw new Error("no room"); }, (error) => told.push(error.message));
    await latest.ask(() => 2, (found) => told.push(found), (error) => told.push(error.message));
    return [told, latest.waits];"""
    assert run_script(body) == [["no room", 2], False]

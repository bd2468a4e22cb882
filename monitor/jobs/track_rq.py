"""Report the jobs of RQ workers to Watchkeeper.

Keep it beside `track.py`, and start workers of its class:

    rq worker --worker-class track_rq.TrackedWorker mails

or `Tracked` before another class of worker: `class Mine(Tracked, SimpleWorker): …`. A job is one try of a job of RQ, named by its function
and its id; it is reported by the worker, also when the process that did the work was killed. `tracked_name` is what the worker is called
on the page, `rq` by default.
"""

from __future__ import annotations

from typing import Any

from rq import Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError

from monitor.jobs.track import Worker as Tracker
from monitor.jobs.track import track

WELL = ("finished", None)
"""None: a job without a result to keep is deleted when it is done."""


OVER = ("failed", "stopped", "canceled")


class Tracked:
    """What reports, for any class of worker of RQ."""

    tracked_name = "rq"
    _tracker: Tracker | None = None

    def execute_job(self, job: Any, queue: Any) -> Any:
        """Do the job as the worker does it, and report it."""
        if self._tracker is None:
            self._tracker = track(self.tracked_name)
        mine = self._tracker.begin(f"{job.func_name} {job.id}")
        try:
            answer = super().execute_job(job, queue)  # type: ignore[misc]
        except BaseException as error:
            mine.failed(error)
            raise
        why = _failure(job)
        if why is None:
            mine.done()
        else:
            mine.failed(why)
        return answer


class TrackedWorker(Tracked, Worker):
    """RQ's usual worker, which reports its jobs."""


def _failure(job: Any) -> str | None:
    """Why a job failed, in one line; None if it did not, or if nobody knows any more."""
    try:
        status = job.get_status(refresh=True)
        status = getattr(status, "value", status)
        if status in WELL:
            return None
        result = job.latest_result()
    except (InvalidJobOperation, NoSuchJobError):
        return None
    except Exception as error:  # noqa: BLE001 - the queue is away; the worker itself will notice
        return f"its outcome is unknown: {type(error).__name__}"
    if status not in OVER:
        return "to be tried again"  # RQ keeps no reason of such a try
    lines = ((result.exc_string if result is not None else None) or "").strip().splitlines()
    return lines[-1] if lines else f"it is {status}"

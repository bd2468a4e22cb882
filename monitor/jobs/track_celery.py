"""Report the tasks of Celery workers to Watchkeeper.

Keep it beside `track.py`, and call it in the module that makes the app:

    from track_celery import track_celery

    app = Celery(…)
    track_celery("mails")

A job is one try of a task, named by the task and its id. One that is retried is failed, and its next try is another job. Each process of
a pool is a run of the worker, so that a job leads to the process that did it; one that is killed has its task closed with the reason. A
task that is broken off, as by its hard time limit, is failed.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from celery import signals

from monitor.jobs.track import Job, Worker, track

WELL = ("SUCCESS", "IGNORED")


def track_celery(name: str = "celery", *, spool: str | None = None) -> Worker:
    """Report the tasks of all apps in this process, and in its child processes.

    Args:
        name: what the worker is called on the page.
        spool: where events go; usually `track.spool_folder()`.
    """
    worker = track(name, spool=spool)
    jobs: dict[str, tuple[Job, float]] = {}
    errors: dict[str, object] = {}

    def begin(task_id: str, task: Any, **_: Any) -> None:
        jobs[task_id] = worker.begin(f"{task.name} {task_id}"), time.monotonic()

    def failure(task_id: str, exception: object, **_: Any) -> None:
        if task_id in jobs:  # Celery's main process is told of failures in the processes of its pool
            errors[task_id] = exception

    def retry(request: Any, reason: object, **_: Any) -> None:
        cause = getattr(reason, "exc", None) or reason
        errors[request.id] = f"to be tried again: {type(cause).__name__}: {cause}"

    def end(task_id: str, task: Any, state: str | None = None, **_: Any) -> None:
        known, error = jobs.pop(task_id, None), errors.pop(task_id, None)
        if known is None:
            return
        job, began = known
        if state in WELL:
            job.done()
        else:
            job.failed(error or (state.lower() if state else _broken_off(task, began)))

    def stop(**_: Any) -> None:
        worker.stop()

    signals.task_prerun.connect(begin, weak=False)
    signals.task_failure.connect(failure, weak=False)
    signals.task_retry.connect(retry, weak=False)
    signals.task_postrun.connect(end, weak=False)
    signals.worker_process_shutdown.connect(stop, weak=False)
    return worker


def _broken_off(task: Any, began: float) -> object:
    """Why a task has no state although it is over: something other than an error left it."""
    limit = (task.request.timelimit or (None, None))[0] or task.time_limit
    if limit and time.monotonic() - began >= limit:
        return f"it took longer than its time limit of {limit:g} s"
    return sys.exc_info()[1] or "it was broken off"

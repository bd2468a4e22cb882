"""Report the tasks of Celery workers to Watchkeeper.

Keep it beside `track.py`, and call it in the module that makes the app:

    from track_celery import track_celery

    app = Celery(…)
    track_celery("mails")

A job is one try of a task, named by the task and its id. One that is retried is failed, and its next try is another job. Each process of
a pool is a run of the worker, so that a job leads to the process that did it; one that is killed has its task closed with the reason.
"""

from __future__ import annotations

from typing import Any

from celery import signals

from monitor.jobs.track import Job, Worker, track

FAILED = ("FAILURE", "RETRY", "REVOKED", "REJECTED")


def track_celery(name: str = "celery", *, spool: str | None = None) -> Worker:
    """Report the tasks of all apps in this process, and in its child processes.

    Args:
        name: what the worker is called on the page.
        spool: where events go; usually `track.spool_folder()`.
    """
    worker = track(name, spool=spool)
    jobs: dict[str, Job] = {}
    errors: dict[str, object] = {}

    def begin(task_id: str, task: Any, **_: Any) -> None:
        jobs[task_id] = worker.begin(f"{task.name} {task_id}")

    def failure(task_id: str, exception: object, **_: Any) -> None:
        errors[task_id] = exception

    def retry(request: Any, reason: object, **_: Any) -> None:
        cause = getattr(reason, "exc", None) or reason
        errors[request.id] = f"to be tried again: {type(cause).__name__}: {cause}"

    def end(task_id: str, state: str | None = None, **_: Any) -> None:
        job, error = jobs.pop(task_id, None), errors.pop(task_id, None)
        if job is not None and state in FAILED:
            job.failed(error or state.lower())
        elif job is not None:
            job.done()

    def stop(**_: Any) -> None:
        worker.stop()

    signals.task_prerun.connect(begin, weak=False)
    signals.task_failure.connect(failure, weak=False)
    signals.task_retry.connect(retry, weak=False)
    signals.task_postrun.connect(end, weak=False)
    signals.worker_process_shutdown.connect(stop, weak=False)
    return worker

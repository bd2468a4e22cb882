"""The part of the client about jobs."""

from typing import TYPE_CHECKING

from monitor.api_models.jobs import JobDetail, JobErrors, Jobs, Workers
from monitor.client.parsing import Params

if TYPE_CHECKING:
    from monitor.client.client import Client


class JobsClient:
    """`client.jobs`."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def workers(self, since: str | int | None = None) -> Workers:
        """The workers, with what their jobs took since a time (by default, an hour ago)."""
        return self._client.get(Workers, "/v1/jobs/workers", {"since": since})

    def found(self, filters: Params | None = None, *, limit: int = 200) -> Jobs:
        """Jobs. Filters: `worker`, `running`, `failed`, `slowest`, `run`, `q`, `error`, `since`, `until`."""
        return self._client.get(Jobs, "/v1/jobs", {**(filters or {}), "limit": limit})

    def errors(self, filters: Params | None = None, *, limit: int = 200) -> JobErrors:
        """With which errors jobs failed. Filters: `worker`, `run`, `q`, `error`, `since`, `until`."""
        return self._client.get(JobErrors, "/v1/jobs/errors", {**(filters or {}), "limit": limit})

    def one(self, worker_run: str, seq: int) -> JobDetail:
        """A job, with what was logged in it."""
        return self._client.get(JobDetail, "/v1/jobs/one", {"worker_run": worker_run, "seq": seq})

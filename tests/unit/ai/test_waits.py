"""For how long a server that refuses wants to be left alone."""

from datetime import UTC, datetime, timedelta

import pytest

from ai.backends.openai.http_errors import error_of
from ai.backends.openai.waits import limits_reset
from ai.gateway.engine_errors import error_of as error_at_gateway
from ai.gateway.http.upstream import Head

DATE, MILLISECONDS = "a date in 100 s", "that time in milliseconds"
CASES = [
    (
        {
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "1m30s",
            "x-ratelimit-remaining-requests": "5",
            "x-ratelimit-reset-requests": "8m",
        },
        90,
    ),
    ({"x-ratelimit-reset-requests": "8s", "x-ratelimit-reset-tokens": "250ms"}, 8),
    ({"x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "1m"}, None),
    ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": DATE}, 100),
    ({"x-ratelimit-reset": MILLISECONDS}, 100),
    ({"ratelimit-limit": "10", "ratelimit-remaining": "0", "ratelimit-reset": "30"}, 30),
    ({"ratelimit": "limit=10, remaining=0, reset=41"}, 41),
    ({"ratelimit": '"burst";r=0;t=30, "day";r=12;t=4000'}, 30),
    ({"ratelimit": "nonsense", "x-ratelimit-reset": "soon"}, None),
    ({}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), CASES)
def test_limits_that_are_used_up_tell_when_they_begin_anew(headers: dict[str, str], seconds: float | None) -> None:
    """The last of them counts; one of which something remains does not."""
    soon = datetime.now(UTC) + timedelta(seconds=100)
    moments = {DATE: soon.strftime("%Y-%m-%dT%H:%M:%SZ"), MILLISECONDS: str(int(soon.timestamp() * 1000))}
    headers = {name: moments.get(value, value) for name, value in headers.items()}
    expected = None if seconds is None else pytest.approx(seconds, abs=20 if seconds == 100 else 0)
    assert limits_reset(headers) == expected
    assert error_of("one", 429, "{}", headers).retry_after_s == expected
    head = Head(429, headers=[(name.encode(), value.encode()) for name, value in headers.items()])
    assert error_at_gateway(head, b"{}").retry_after_s == expected
    head.status = 400
    assert error_at_gateway(head, b"{}").retry_after_s is None


@pytest.mark.parametrize(("name", "value", "seconds"), [("retry-after-ms", "41500", 41.5), ("Retry-After", "7", 7.0)])
def test_the_gateway_reads_every_form_of_retry_after(name: str, value: str, seconds: float) -> None:
    """As the engines' own client does."""
    head = Head(429, headers=[(name.encode(), value.encode())])
    assert error_at_gateway(head, b"{}").retry_after_s == seconds

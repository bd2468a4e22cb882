"""The official client, set up for a shared server, and its errors as this program's."""

import json
from collections.abc import Awaitable
from typing import Final, TypeVar

import httpx
import ollama
from pydantic import ValidationError

from ai.backends.ollama.transport import NativeTransport
from ai.backends.openai.http_errors import error_of, error_of_transport
from ai.core.errors import BackendDown, BackendError, BadOutput, StreamCut
from ai.core.pacing import late
from ai.core.words import plain_words
from ai.discovery.address import basic_key, key_header

START: Final = "Start it with: ollama serve"
CLIENT_ERRORS: Final = (
    ollama.ResponseError,
    ollama.RequestError,
    httpx.HTTPError,
    ConnectionError,
    ValidationError,
    ValueError,
    AttributeError,
    TypeError,
)
"""What the client raises for what a server does: it does not check the form of an answer itself."""
_FORM: Final = "Look whether its address leads to Ollama itself; what only imitates it can be named as an OpenAI-compatible server."
T = TypeVar("T")


def ollama_client(url: str, timeout: httpx.Timeout) -> ollama.AsyncClient:
    """A client that trusts nothing of the environment and follows no redirects."""
    return ollama.AsyncClient(
        url, timeout=timeout, follow_redirects=False, transport=NativeTransport(url), trust_env=False,
        headers={"Accept-Encoding": "identity"} | key_header("", basic_key(url)),
    )  # fmt: skip


async def asked(question: Awaitable[T], name: str, ask_s: float) -> T:
    """The answer to one question.

    Args:
        question: a call of the client.
        name: the backend's name, for errors.
        ask_s: the deadline that the client keeps, seconds.

    Raises:
        BackendError: of the class that fits.
    """
    try:
        return await question
    except CLIENT_ERRORS as error:
        raise error_of_ollama(name, error, begun=False, connect_s=ask_s, ask_s=ask_s) from error


def error_of_ollama(name: str, error: Exception, *, begun: bool, connect_s: float, ask_s: float) -> BackendError:
    """The error that says what to do; `begun`: the answer's headers had arrived."""
    if isinstance(error, ollama.ResponseError):
        found = error_of(name, max(error.status_code, 0), json.dumps({"error": error.error}))
        if error.status_code <= 0 and type(found) is BackendError:  # a line in the stream: the runner died
            said = found.message.removeprefix(f"{name} failed: ")
            return StreamCut(f"{name} broke off its answer: {said}", backend=name, hint=found.hint)
        return found
    if isinstance(error, httpx.TransportError) and not isinstance(error, httpx.ReadTimeout):
        return error_of_transport(name, error, begun=begun, connect_s=connect_s)
    if isinstance(error, httpx.ReadTimeout):
        return late(name, "health", ask_s)
    if isinstance(error, ConnectionError):
        return BackendDown(f"{name} does not answer.", backend=name, hint=START)
    return BadOutput(f"{name} answered in a form that is not Ollama's: {_wrong(error)}.", backend=name, hint=_FORM)


def _wrong(error: Exception) -> str:
    """What is wrong with an answer, in words."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, json.JSONDecodeError):
        return "it is not JSON"
    return plain_words(str(error))[:200].rstrip(".")

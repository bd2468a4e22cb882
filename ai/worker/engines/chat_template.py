"""A model's own chat template, rendered in a sandbox: it comes with the model, so it is a stranger's program.

The engines that take bare tokens (ExLlama) need it; with another template two engines would be given different prompts.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ai.core.errors import BadModelFile, BadRequest, MissingPiece
from ai.core.types import Message

_MAX_FILE: Final = 8 * 1024 * 1024
_MAX_PROMPT: Final = 16 * 1024 * 1024
_TEMPLATE_FAULTS: Final = (
    jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What a stranger's template can raise while it is rendered."""
_PADDING: Final = frozenset({"ljust", "rjust", "center", "zfill", "expandtabs", "format", "format_map"})


class _Sandbox(ImmutableSandboxedEnvironment):
    """jinja2's sandbox keeps a template away from Python; this one also from all of the memory."""

    intercepted_binops = frozenset(["*", "**", "%"])

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Only numbers are multiplied, and only to a sensible size."""
        numbers = all(isinstance(side, int | float) and abs(side) < 1e9 for side in (left, right))
        if not numbers or (operator == "**" and right > 64):
            raise SecurityError(f"the operator {operator} is not for these values")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Neither the internals of Python nor the methods that make a short text a long one."""
        return attr not in _PADDING and super().is_safe_attribute(obj, attr, value)


class ChatTemplate:
    """The template of one model folder.

    Args:
        source: the template's text.
        bos: text of the token that begins a sequence.
        eos: text of the token that ends one.

    Raises:
        BadModelFile: it is no template.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "") -> None:
        environment = _Sandbox(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        environment.filters |= {"tojson": _tojson, "center": _refuse, "indent": _refuse, "format": _refuse}
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self.source = source
        try:
            self._template = environment.from_string(source)
        except (jinja2.TemplateError, RecursionError) as error:
            raise BadModelFile(
                f"The model's chat template is wrong: {error}.", hint="Fetch the model again."
            ) from error

    @classmethod
    def of(cls, folder: Path) -> "ChatTemplate":
        """The template of a model folder: `tokenizer_config.json`, or `chat_template.jinja` beside it.

        Raises:
            MissingPiece: the model has none (a base model).
            BadModelFile: its files cannot be read.
        """
        config = _json(folder / "tokenizer_config.json")
        source = _named(config.get("chat_template")) or _text(folder / "chat_template.jinja")
        if source is None:
            raise MissingPiece(
                f"{folder.name} has no chat template: it is a base model, not made for instructions.",
                hint="Use an instruction-tuned model.",
            )
        return cls(source, bos=_token(config.get("bos_token")), eos=_token(config.get("eos_token")))

    def render(self, messages: Sequence[Message], **arguments: Any) -> str:
        """The prompt for a conversation, up to where the model is to answer. Where a template has no place for a system's message
        (Gemma's), it stands before the first of the user's, as llama.cpp does it.

        Raises:
            BadRequest: the template refuses the conversation, leaves out a part of it, or does what the sandbox forbids.
        """
        try:
            return self._whole(messages, arguments)
        except BadRequest:
            joined = _system_joined(messages)
            if joined is None:
                raise
            return self._whole(joined, arguments)

    def _whole(self, messages: Sequence[Message], arguments: dict[str, Any]) -> str:
        prompt = self._rendered(messages, arguments)
        if not holds_all(prompt, messages):
            raise BadRequest("The model's chat template leaves out a part of this conversation.")
        return prompt

    def _rendered(self, messages: Sequence[Message], arguments: dict[str, Any]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        parts: list[str] = []
        size = 0
        try:
            for part in self._template.generate(
                messages=turns, add_generation_prompt=True, **self._tokens, **arguments
            ):
                parts.append(part)
                size += len(part)
                _check_size(size)
        except BadRequest:
            raise
        except _TEMPLATE_FAULTS as error:
            raise BadRequest(
                f"The model's chat template does not take this conversation: {str(error)[:200]}."
            ) from error
        return "".join(parts)


def holds_all(prompt: str, messages: Sequence[Message]) -> bool:
    """Whether a prompt holds all that the user and the system say, white space aside. Of the model's own turns templates drop the thoughts."""
    dense = "".join(prompt.split())
    return all("".join(m.content.split()) in dense for m in messages if m.role != "assistant")


def _system_joined(messages: Sequence[Message]) -> tuple[Message, ...] | None:
    """The system's message at the head of the user's that follows it; None where there are no such two."""
    if [message.role for message in messages[:2]] != ["system", "user"]:
        return None
    system, user, *others = messages
    return (replace(user, content=f"{system.content}\n{user.content}"), *others)


def _check_size(size: int) -> None:
    if size > _MAX_PROMPT:
        raise BadRequest("The model's chat template makes an endless prompt.", hint="Use another model.")


def _refuse(message: object = "", *_: object) -> str:
    raise jinja2.TemplateError(str(message)[:200])


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(str(form)[:100])


def _tojson(value: Any, indent: int | None = None, **_: Any) -> str:
    """Plain JSON: jinja2's own filter escapes for HTML, which models were not trained on."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _named(given: object) -> str | None:
    """One template, or the default among several."""
    if isinstance(given, str):
        return given
    if not isinstance(given, list):
        return None
    by_name = {item.get("name"): item.get("template") for item in given if isinstance(item, dict)}
    found = by_name.get("default")
    return found if isinstance(found, str) else None


def _token(given: object) -> str:
    content = given.get("content") if isinstance(given, dict) else given
    return content if isinstance(content, str) else ""


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE).decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise BadModelFile(f"{path.name} cannot be read: {error}.", hint="Fetch the model again.") from error


def _json(path: Path) -> dict[str, Any]:
    text = _text(path)
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise BadModelFile(f"{path.name} is not JSON.", hint="Fetch the model again.") from error
    return value if isinstance(value, dict) else {}

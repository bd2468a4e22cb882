"""Whether two engines were given the same work. What differs makes a ratio a fact about set-ups, not about engines."""

from dataclasses import dataclass

from ai.shapes.report import LoadRow


@dataclass(frozen=True, slots=True)
class Likeness:
    """`because`: what differs. `unknown`: what could not be compared. Comparable when nothing differs."""

    because: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether nothing is known to differ."""
        return not self.because

    def sentence(self) -> str:
        """In words; empty when all is known to be alike."""
        if self.because:
            return f"Not comparable because {'; '.join(self.because)}."
        if self.unknown:
            return f"Not known to be alike: {', '.join(self.unknown)}."
        return ""


def like_for_like(first: LoadRow, second: LoadRow, *, same_lengths: bool = True) -> Likeness:
    """Compare weights, quantisation, context, cache type, template, tokens of the same prompt, and the length of answers.

    The sampler is not among them: every request sends all its values. Neither are the slots for requests at the same time: pairs are of single
    requests, and what the slots take is said with the memory. The context is that of one request.
    """
    weights = alike(first.weights, second.weights)
    checks = [
        ("weights", weights, "the weights differ"),
        (
            "chat template",
            (first.raw and second.raw) or alike(first.template, second.template),
            "the chat template differs",
        ),
        _check("quantisation", _plain(first.quantization), _plain(second.quantization)),
        _check("context", first.context, second.context),
        _check("cache type", _plain(first.kv_type), _plain(second.kv_type)),
        _prompt_tokens(first.prompt_tokens, second.prompt_tokens),
        ("length of answers", True if same_lengths else None, ""),
    ]
    unknown = [what for what, same, _ in checks if same is None and not (weights and what == "quantisation")]
    return Likeness(tuple(why for _, same, why in checks if same is False), tuple(unknown))


_Check = tuple[str, bool | None, str]
"""What was compared, whether it is the same (None: cannot be told), and the difference in words."""


def _check(what: str, first: str | int | None, second: str | int | None) -> _Check:
    same = None if first is None or second is None else first == second
    return what, same, f"the {what} differs ({first} and {second})"


def _prompt_tokens(first: int | None, second: int | None) -> _Check:
    """A token or two more are a template's; a tokenizer that cuts words otherwise shows in every prompt."""
    same = abs(first - second) <= 0.02 * max(first, second) + 1 if first and second else None
    return "prompt tokens", same, f"the same prompt has {first} tokens here and {second} there"


def alike(first: str | None, second: str | None) -> bool | None:
    """Whether two digests, written `scheme:digest`, are of the same thing; None when that cannot be told, as between two schemes."""
    if first is None or second is None or first.partition(":")[0] != second.partition(":")[0]:
        return None
    return first == second


def _plain(value: str | None) -> str | None:
    return None if value is None else value.casefold().replace("-", "_")

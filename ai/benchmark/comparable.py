"""Whether two engines were given the same work. What differs makes a ratio a fact about set-ups, not about engines."""

from dataclasses import dataclass

from ai.benchmark.model import LoadRow


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


def like_for_like(first: LoadRow, second: LoadRow, *, exact_lengths: bool = True) -> Likeness:
    """Compare weights, quantisation, context, cache type, template, tokens of the same prompt, and the length of answers.

    The sampler is not among them: every request sends all its values.
    """
    because: list[str] = []
    unknown: list[str] = []
    same_weights = first.weights is not None and first.weights == second.weights
    pairs = (
        ("weights", first.weights, second.weights),
        ("quantisation", _plain(first.quantization), _plain(second.quantization)),
        ("context", first.context, second.context),
        ("cache type", _plain(first.kv_type), _plain(second.kv_type)),
        ("chat template", first.template, second.template),
        ("parallel slots", first.parallel, second.parallel),
    )
    for what, a, b in pairs:
        if a is None or b is None:
            if not (same_weights and what == "quantisation"):
                unknown.append(what)
        elif a != b:
            shown = f" differ ({a} and {b})" if what not in {"weights", "chat template"} else " differ"
            because.append(
                f"the {what}{shown}" if what == "weights" else f"the {what}{shown.replace('differ', 'differs')}"
            )
    a_tokens, b_tokens = first.prompt_tokens, second.prompt_tokens
    if not a_tokens or not b_tokens:
        unknown.append("prompt tokens")
    elif abs(a_tokens - b_tokens) > 0.02 * max(a_tokens, b_tokens) + 1:
        because.append(f"the same prompt has {a_tokens} tokens here and {b_tokens} there")
    if not exact_lengths:
        unknown.append("length of answers")
    return Likeness(tuple(because), tuple(unknown))


def _plain(value: str | None) -> str | None:
    return None if value is None else value.casefold().replace("-", "_")

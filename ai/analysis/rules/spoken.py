"""Human languages by name, in any of the languages known here."""

import re

from ai.analysis.rules.asked import LANGUAGE


def language_pattern(name: str) -> re.Pattern[str] | None:
    """The pattern of a human language given by its name in any of the languages known."""
    return next(
        (p for canonical, p in LANGUAGE if canonical.casefold() == name.casefold() or p.fullmatch(name.strip())), None
    )


def canonical_language(name: str) -> str:
    """The English name of a human language; unchanged when it is not known."""
    first = re.split(r"[\s(,:/-]", name.strip())[0]
    return next((c for c, p in LANGUAGE if p.fullmatch(first) or c.casefold() == first.casefold()), name.strip())

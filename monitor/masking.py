"""The one place that decides what in a command line or a log line is a secret, and hides it; `monitor.masking_rules` are its rules.

A masked secret keeps the mark of its family (`sk-***`, `ghp_***`), or the name it was given under
(`--password ***`, `API_KEY=***`), so that a person sees what stood there and nothing of its value.

The rules err on the side of showing ordinary text: `max_tokens=512`, `tokens/s`, `eos_token=</s>`, a path after
`--key` stay as they are. Most lines hold nothing suspicious; one pass of cheap substring tests lets them through.
"""

import re
from collections.abc import Callable, Sequence

from monitor.masking_rules import (
    AUTH,
    CLASS,
    COOKIE,
    ENDINGS,
    FAMILY,
    FLAG,
    GLUED_ONLY,
    HIDDEN,
    LOOKS_SECRET,
    MARKS,
    MASKED,
    PAIR,
    PEM_HEAD,
    PEM_TAIL,
    PLAIN_VALUES,
    PORTS,
    SEPARATED,
    SHORT_FLAGS,
    SUSPECT,
    URL,
    URL_LONE,
    USER_FLAGS,
)


class Masker:
    """Masks secrets; made once, then used from any thread.

    Args:
        extra: further regular expressions. What the group named `secret` matches is hidden; without such a group, all of the match.

    Raises:
        re.error: an extra pattern is not a regular expression.
    """

    def __init__(self, extra: Sequence[str] = ()) -> None:
        self.extra = tuple(extra)
        self._extra = tuple(re.compile(pattern) for pattern in extra)

    @property
    def suspect(self) -> str | None:
        """`SUSPECT` with the extra patterns, as far as each has words that must be there; None when one has none: then any line may hold a secret."""
        needed = [_needed_text(pattern) for pattern in self.extra]
        if "" in needed:
            return None
        return "|".join([SUSPECT, *(re.escape(text) for text in needed)])

    def mask_text(self, text: str) -> str:
        """The text with secrets hidden; the very same object when there is nothing to hide.

        Masking twice changes nothing more, and a masked text is never longer than three characters a secret above the original.
        """
        for mark in MARKS:
            if mark in text:
                text = FAMILY.sub(_hide_family, text)
                break
        if "://" in text and "@" in text:
            text = URL.sub(rf"\g<head>{HIDDEN}@", text)
            text = URL_LONE.sub(rf"\g<head>{HIDDEN}@", text)
        text = _mask_named(text, text.lower())
        for pattern in self._extra:
            text = pattern.sub(_hide_extra, text)
        return text

    def mask_cmdline(self, argv: Sequence[str]) -> str:
        """The words of a command line joined by spaces, with secrets hidden."""
        words = list(argv)
        program = words[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") if words else ""
        login = program not in PORTS or "login" in words
        short = SHORT_FLAGS.get(program) if login else None
        users = USER_FLAGS.get(program, ())
        hide: Callable[[str], str] | None = None
        for index, word in enumerate(words):
            if hide is not None:
                words[index], hide = hide(word), None
                continue
            if word in users:
                hide = _hide_user
            elif short is not None and word[:2] == f"-{short}" and not word.startswith("--"):
                if len(word) > 2:
                    words[index] = f"-{short}{HIDDEN}"
                elif program not in GLUED_ONLY:
                    hide = _hide_all
            elif FLAG.fullmatch(word) and index > 0:
                hide = _hide_value
        return self.mask_text(" ".join(words))


def _needed_text(pattern: str) -> str:  # noqa: C901 - one rule a kind of character
    """The longest run of ASCII letters, digits, `_` and `-` that stands in whatever the expression matches; empty when none of two or more is certain."""
    best, run, depth, at = "", "", 0, 0
    while at < len(pattern):
        char, width, kept = pattern[at], 1, ""
        if char == "\\":
            if pattern[at + 1 : at + 2].isalnum() and pattern[at + 1] not in "bBdDsSwWAZnrt":
                return ""  # a character by its number, or a group again
            width = 2
        elif char == "[":
            klass = CLASS.match(pattern, at)
            width = klass.end() - at if klass else 1
        elif char == "(":
            if pattern[at + 1 : at + 2] == "?" and not pattern.startswith(("(?:", "(?P<"), at):
                return ""
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == "|" and not depth:
            return ""
        elif char in "*?{":
            run = run[:-1]
            width = max(1, pattern.find("}", at) + 1 - at) if char == "{" else 1
        elif not depth and char.isascii() and (char.isalnum() or char in "_-"):
            kept = char
        if kept:
            run += kept
        else:
            best, run = max(best, run, key=len), ""
        at += width
    best = max(best, run, key=len)
    return best if len(best) > 1 else ""


def _mask_named(text: str, lower: str) -> str:
    """Hide what stands behind a telling name."""
    if "private key-----" in lower:
        text = _hide_keys(text)
    if "authorization" in lower or "bearer" in lower:
        text = AUTH.sub(_hide_auth, text)
    if "cookie" in lower:
        text = COOKIE.sub(rf"\g<head>{HIDDEN}", text)
    return PAIR.sub(_hide_pair, text) if _names_pair(lower) else text


def _names_pair(lower: str) -> bool:
    """Whether any pair may be in the text, which is in lower case: much cheaper than to look for one."""
    for ending in ENDINGS:
        at = lower.find(ending)
        while at >= 0:
            at += len(ending)
            if SEPARATED.match(lower, at):
                return True
            at = lower.find(ending, at)
    return False


def _hide_family(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{HIDDEN}"


def _hide_keys(text: str) -> str:
    """Hide private keys between their first and last line; one without a last line was cut, and all the rest is it."""
    parts, at = [], 0
    while head := PEM_HEAD.search(text, at):
        tail = PEM_TAIL.search(text, head.end())
        parts += [text[at : head.end()], HIDDEN]
        at = len(text) if tail is None else tail.start()
    return "".join([*parts, text[at:]])


def _hide_auth(match: re.Match[str]) -> str:
    """Hide what stands behind `Authorization:` or `Bearer`, unless it is a word such as in "bearer of bad news"."""
    value = match["value"]
    header = "authorization" in match["head"].lower()
    if not header and not LOOKS_SECRET.match(value):
        return match[0]
    return match["head"] + HIDDEN


def _hide_pair(match: re.Match[str]) -> str:
    """Hide the value of `name=value` and `name: value`, and keep its quotes."""
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    inner = value[1:-1] if quote else value
    if MASKED.match(inner) or inner.lower() in PLAIN_VALUES or inner.startswith(("$", "%(", "</")):
        return match[0]
    if match["weak"] and not LOOKS_SECRET.match(inner):
        return match[0]
    if match["strong"] and ":" in match["sep"] and not quote and match["sep"].endswith(" ") and not _is_single(match):
        return match[0]
    return f"{match['head']}{quote}{HIDDEN}{quote}"


def _is_single(match: re.Match[str]) -> bool:
    """Whether `password: hunter2` names a value, and not a sentence ("password: must be longer")."""
    rest = match.string[match.end() : match.end() + 2]
    return bool(LOOKS_SECRET.match(match["value"])) or not rest.strip() or not rest[0].isspace()


def _hide_extra(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex or match["secret"] is None:
        return HIDDEN
    start, end = match.span("secret")
    return match[0][: start - match.start()] + HIDDEN + match[0][end - match.start() :]


def _hide_all(_word: str) -> str:
    return HIDDEN


def _hide_value(word: str) -> str:
    """The word behind `--password`; another option there means that the first one took no value."""
    return word if word.startswith("--") or not word else HIDDEN


def _hide_user(word: str) -> str:
    """`user:password` or `user%password` behind `curl -u`."""
    for sep in (":", "%"):
        user, found, _ = word.partition(sep)
        if found:
            return f"{user}{sep}{HIDDEN}"
    return word

"""Command lines: which program takes its secret behind which option, in a list of words or anywhere in a text."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from logs.redaction.forms import is_option_secret
from logs.redaction.late import late
from logs.redaction.names import kind_of, words
from logs.redaction.programs import PROGRAMS, Grammar, Place
from logs.redaction.values import HIDDEN, LONG, is_masked, is_secret, is_small_number

Hide = Callable[[str], str]

_LOGIN_MARK: Final = late(r"[:%,]")
_OWN: Final = late(r"(?:-{1,2}\w+=)?(?:pass|pw):(?=.)|/(?:p|password|pass|gp):(?=.)")
"""`-passin pass:X` of openssl, `/p:X` of xfreerdp and net use."""
_TOGETHER: Final = late(r"-[A-Za-z]{2,8}")
"""Short options in one word: `curl -su ann:secret`."""
_STARTS: Final = late(
    r"(?<![\w.-])(?:"
    + "|".join(sorted((re.escape(name) for name in PROGRAMS), key=len, reverse=True))
    + r")(?:\.exe)?(?:\\?[\"'](?=[\s,])|(?=\s))"
    r"|(?<![\w.-])(?:COMMAND|[Cc]ommand|[Cc]md|[Ee]xec|[Ee]xecuting|[Rr]unning)[=:][ \t]?(?=[\w./~])"
)
"""Where a command line begins in a text: a program that is known, or a word that says so."""
_TOKEN: Final = late(
    r"\\?\"(?P<double>(?:[^\"\\]|\\[^\"])*+)\\?\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"']++)|(?P<rest>[\"'])"
)
_ENDS: Final = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<"})
_GLUED: Final = 3
"""The longest option that has a value glued on: `-hpX`."""
_MOST_WORDS: Final = 60
_HEADERS: Final = frozenset({"-H", "--header"})
_HEADER: Final = late(r"(?P<name>[\w-]+)(?P<mark>:\s*)(?P<value>(?![=/]).+)", re.DOTALL)
_SCHEME: Final = late(r"[A-Za-z][\w-]{2,20} +(?=\S)")
_REACH: Final = late(r"(?P<user>(?:[\w.-]+[/\\])?[\w.$-]+:)(?P<value>[^/]+)@[\w.:\[\]-]+/?")
SETTERS: Final = ("set", "put", "config", "configure", "modify", "patch", "write", "connect", "create", "add", "update")
"""Words behind which the name of a setting and its value may stand."""
KEEPERS: Final = ("secret", "secrets", "kv", "keyvault", "secretsmanager", "securestring")
"""What keeps secrets: all it is given is one, whatever its name."""
_SETTERS: Final = frozenset(SETTERS)
_KEEPERS: Final = frozenset(KEEPERS)
_PARTS: Final = late(r"[-:_]")
_CONTENT: Final = late(r"(?P<name>--[\w-]*(?:literal|value|body|plaintext))(?:=(?P<value>.+))?", re.DOTALL)
_ASSIGNED: Final = late(r"[\w./-]+=")
_PLACELESS: Final = late(r"[\w+=-]+")
_SLASH: Final = late(r"(?P<user>(?:userid=)?[\w$#.]+)/[^\s@/]+(?P<rest>@\S*)?", re.DOTALL)
_PLAIN_NAME: Final = late(r"[a-z]+|[A-Z]+")
_TOO_PLAIN: Final = words("secret token credential credentials auth cookie key jwt sid otp bearer csrf signature")
"""Names that by themselves also are what a command works on: `create secret`."""
_WHOLE: Final = r"(?:\"(?P<double>[^\"\n]+)\"|'(?P<single>[^'\n]+)'|(?P<bare>[^\s\"'|;&<>]+))"
_READER: Final = r"(?:chpasswd|smbpasswd|cryptsetup|kinit|sudo[ \t]+(?:-\S+[ \t]+){0,4}?-[A-Za-z]*S|[^|;&<\n]{0,200}?[ \t]-{1,2}(?:[\w-]*stdin|with-token|passphrase-fd)\b)"
"""A command that reads a secret from its standard input."""
PIPED: Final = late(
    rf"\b(?:echo|printf)[ \t]+(?:-[neE]+[ \t]+|[\"']?%s(?:\\+n)?[\"']?[ \t]+){{0,3}}{_WHOLE}[ \t]*\|[ \t]*(?:sudo[ \t]+)?(?:\S*/)?{_READER}"
)
HERE: Final = late(rf"(?:\b{_READER}|\bsudo[ \t]+-S)[^|;&<\n]{{0,200}}?<<<[ \t]*{_WHOLE}")


def hide_words(words: Sequence[str]) -> list[str]:
    """The words of a command line with secrets hidden. A program may start others: `sudo`, `env`, `docker exec`."""
    line = _Line(words)
    return [line.shown(index, word) for index, word in enumerate(words)]


class _Line:
    """The words of a command line, read from the left: what was seen so far says what the next word is."""

    def __init__(self, words: Sequence[str]) -> None:
        self._rest = frozenset(words)
        self._grammar = Grammar()
        self._hide: Hide | None = None  # what hides the next word
        self._place: Place | None = None  # a secret that stands at a place
        self._before = 0  # words that stand before it
        self._skip = False  # the next word belongs to an option
        self._sets = False  # a word that sets something was seen
        self._keeps = "SecureString" in self._rest  # and one that keeps secrets

    def shown(self, index: int, word: str) -> str:
        """The next word, as it is shown."""
        if self._hide is _hide_setting and word.startswith("-"):
            self._hide = None  # `put-parameter --name /db/password --value X`
        if self._hide is not None:
            hide, self._hide = self._hide, None
            if self._sets and hide is not _hide_setting and _is_setting(word):
                self._hide = _hide_setting  # `config set --secret name X`
            return hide(word)
        due = self._skip or (self._place is not None and self._before == 0)
        found = None if word.startswith("-") or due else PROGRAMS.get(_program(word))
        if found is not None:
            meant = not found.only or found.only in self._rest
            self._grammar = found if meant else found._replace(secret=(), only="")
            if found.bearer and found.bearer in self._rest:
                self._grammar = found._replace(apart=found.login, login=())
            self._go_to(self._grammar.places.get(""))
            return word
        if not index:
            return word
        shown, self._hide = _shown(word, self._grammar)
        if shown != word or self._hide is not None:
            return shown
        optional = word.startswith("-") or (self._grammar.switches and word.startswith("/"))
        return self._option(word) if optional else self._plain(word)

    def _option(self, word: str) -> str:
        """An option that says nothing by itself: `-H "X-Token: …"`, `--value X` of a secret."""
        self._skip = word in self._grammar.takes
        if word in _HEADERS:
            self._hide = _hide_header
        elif word.startswith("-H") and ":" in word:
            return "-H" + _hide_header(word[2:])
        elif (place := self._grammar.places.get(word)) is not None:
            self._go_to(place)
        elif word in self._grammar.reach:
            self._hide = _hide_reach
        elif self._sets and self._keeps and (found := _CONTENT.match(word)):
            if not found["value"]:
                self._hide = _hide_content
            else:
                return found["name"] + "=" + _hide_content(found["value"])
        return word

    def _plain(self, word: str) -> str:  # noqa: PLR0911 - one return a kind of word
        """A word that is no option: a verb, a name, or a secret at its place."""
        if self._skip:
            self._skip = False
            return word
        if (due := self._place) is not None and not self._before:
            self._go_to(due._replace(number=1, also=due.also - 1) if due.also else None)
            return _hide_place(word, looks=due.looks)
        if (place := self._grammar.places.get(word)) is not None:
            self._go_to(place)
        elif self._place is not None:
            self._before -= 1
        if self._grammar.items and (shown := _hide_header(word)) != word:
            return shown
        if "" in self._grammar.reach and (shown := _hide_reach(word)) != word:
            return shown
        if self._grammar.slash and (login := _SLASH.fullmatch(word)):
            return f"{login['user']}/{HIDDEN}{login['rest']}"
        low = word.lower()
        if self._sets and self._keeps and "=" in word:
            return _hide_pair(word)
        if self._sets and _is_setting(word):
            self._hide = _hide_setting
        self._sets = self._sets or not _SETTERS.isdisjoint(_PARTS.split(low))
        self._keeps = self._keeps or low in _KEEPERS or "secret" in _PARTS.split(low)
        return word

    def _go_to(self, place: Place | None) -> None:
        """Count the words up to this place."""
        if place is not None and place.option and not self._has(place.option):
            place = None
        self._place = place
        self._before = 0 if place is None else place.number - 1 - bool(place.less and self._has(place.less))

    def _has(self, letter: str) -> bool:
        """Whether a short option is among the words, alone or with others in one word."""
        return any(word.startswith("-") and not word.startswith("--") and letter in word for word in self._rest)


def hide_commands(text: str) -> str:
    """The text with the secrets of command lines in it hidden."""
    if "|" in text or "<<<" in text:
        text = HERE.sub(_hide_fed, PIPED.sub(_hide_fed, text))
    parts, kept, at = [], 0, 0
    while start := _STARTS.search(text, at):
        spans = list(_words(text, start.end()))
        words = [_program(start[0].rstrip("\\\"'")), *(text[begin:end] for begin, end in spans)]
        for (begin, end), word, whole in zip(spans, words[1:], hide_words(words)[1:], strict=True):
            shown = hide_commands(word) if whole == word and " " in word else whole
            if shown != word:
                parts += [text[kept:begin], shown]
                kept = end
        at = spans[-1][1] if spans else start.end()
    return "".join([*parts, text[kept:]]) if parts else text


def _program(word: str) -> str:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe")


def _words(text: str, at: int) -> Iterator[tuple[int, int]]:  # noqa: C901 - one rule a kind of word
    """Where the words behind a program stand, up to the end of its command: words of a shell, or of a list in quotation marks."""
    held: tuple[int, int] | None = None  # a word that may go on in quotation marks: `-p'secret'`
    for number, match in enumerate(_TOKEN.finditer(text, at)):
        if number > _MOST_WORDS or "\n" in text[at : match.start()]:
            break
        kind = match.lastgroup or "rest"
        if held is not None and kind in {"double", "single"} and held[1] == match.start():
            yield held[0], match.end(kind)
            held = None
            continue
        if held is not None:
            yield held
            held = None
        word = match[kind]
        if kind == "bare":
            if word in _ENDS or word.startswith("]"):
                return
            bare = word.rstrip(";,)]")
            if bare:
                held = match.start(), match.start() + len(bare)
            if word.endswith((";", ")")):
                break
            if bare and not (bare == word and (word.startswith("-") or "=" in word)):
                yield match.start(), match.start() + len(bare)
                held = None
        elif kind != "rest":
            yield match.span(kind)
    if held is not None:
        yield held


def _shown(word: str, grammar: Grammar) -> tuple[str, Hide | None]:  # noqa: PLR0911 - one return a kind of option
    """The word as it is shown, and what hides the next one."""
    if word in grammar.secret or word in grammar.apart:
        return word, _hide_secret
    if word in grammar.login:
        return word, _hide_login
    if word in grammar.pairs:
        return word, _hide_pair
    own = _OWN.match(word)
    if own is not None:
        return own[0] + HIDDEN, None
    if _TOGETHER.fullmatch(word) and f"-{word[-1]}" in grammar.login and word[:2] not in grammar.login:
        return word, _hide_login
    if (shown := _glued(word, grammar)) is not None:
        return shown, None
    if word.startswith("-") and "=" not in word and kind_of(word) != "none":
        return word, lambda value: _hide_option(word, value)
    return word, None


def _glued(word: str, grammar: Grammar) -> str | None:
    """An option with its secret in one word (`-pX`, `-sSuann:X`, `--user=ann:X`) as it is shown; None for any other word."""
    if grammar.flags and word.startswith("-") and word[1:2] in grammar.flags and word[1:2]:
        rest = word[1:].lstrip(grammar.flags)
        shown = _glued("-" + rest, grammar)
        return None if shown is None else word[: len(word) - len(rest)] + shown[1:]
    for option in (*grammar.glued, *grammar.secret, *grammar.login):
        start = f"{option}=" if option.startswith("--") else option
        value = word.removeprefix(start)
        if not value or value == word or is_masked(value) or (start == option and len(option) > _GLUED):
            continue
        return start + (_hide_login(value) if option in grammar.login else HIDDEN)
    return None


def _hide_secret(word: str) -> str:
    return word if not word or word.startswith(("--", "$", "(")) or is_masked(word) else HIDDEN


def _hide_place(word: str, *, looks: bool) -> str:
    """A secret that only its place tells."""
    if looks and (not is_secret(word, "weak", sure=True) or not _PLACELESS.fullmatch(word)):
        return word
    return HIDDEN if is_secret(word, "strong", sure=True) else word


def _is_setting(word: str) -> bool:
    """Whether a plain word names a setting that is secret: `user.password`, `aws_secret_access_key`."""
    kind = kind_of(word)
    return kind != "none" and not (_PLAIN_NAME.fullmatch(word) and word.lower() in _TOO_PLAIN)


def _hide_setting(word: str) -> str:
    """The value behind the name of a setting, or the pair that stands there."""
    if word.startswith(("-", "@")) or is_small_number(word):
        return word
    if _ASSIGNED.match(word):
        return _hide_pair(word)
    return HIDDEN if is_secret(word, "place", sure=True) else word


def _hide_content(word: str) -> str:
    """What a secret is made of: `name=X`, or X alone."""
    if word.startswith(("-", "@")):
        return word
    return _hide_pair(word) if _ASSIGNED.match(word) else _hide_secret(word)


def _hide_header(word: str) -> str:
    """`Name: secret`, as options for headers take it."""
    header = _HEADER.fullmatch(word)
    if header is None:
        return word
    scheme, value = "", header["value"]
    if header["name"].lower().endswith("authorization"):
        scheme = found[0] if (found := _SCHEME.match(value)) else ""
    elif kind_of(header["name"]) == "none":
        return word
    hidden = is_secret(value.removeprefix(scheme), "strong", sure=True)
    return header["name"] + header["mark"] + scheme + HIDDEN if hidden else word


def _hide_reach(word: str) -> str:
    """`user:secret@place`."""
    found = _REACH.fullmatch(word)
    return (
        word
        if found is None or is_masked(found["value"])
        else word[: found.end("user")] + HIDDEN + word[found.end("value") :]
    )


def _hide_fed(match: re.Match[str]) -> str:
    """`echo secret | sudo -S …`, `chpasswd <<< user:secret`."""
    kind = match.lastgroup or "bare"
    value = match[kind]
    if not is_secret(value, "strong", sure=True):
        return match[0]
    hidden = _hide_login(value) if "chpasswd" in match[0] else HIDDEN
    start, end = (at - match.start() for at in match.span(kind))
    return match[0][:start] + hidden + match[0][end:]


def _hide_option(option: str, word: str) -> str:
    """The word behind `--password`; another option there means that the first one took no value."""
    if word.startswith("--"):
        return word
    own = _OWN.match(word)
    if own is not None:
        return own[0] + HIDDEN
    return HIDDEN if is_option_secret(option, word) else word


def _hide_login(word: str) -> str:
    """`user:secret`, `user%secret` or `user,secret`; a key in place of the user has nothing behind the colon."""
    mark = _LOGIN_MARK.search(word)
    if mark is None:
        return word
    if not word[mark.end() :]:
        return HIDDEN + mark[0] if LONG.fullmatch(word[: mark.start()]) else word
    return word[: mark.end()] + HIDDEN


def _hide_pair(word: str) -> str:
    """`name=secret`."""
    name, found, value = word.partition("=")
    return f"{name}={HIDDEN}" if found and value else word

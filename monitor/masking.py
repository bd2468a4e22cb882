"""The one place that decides what in a command line or a log line is a secret, and hides it.

A masked secret keeps the mark of its family (`sk-***`, `ghp_***`), or the name it was given under
(`--password ***`, `API_KEY=***`), so that a person sees what stood there and nothing of its value.

The rules err on the side of showing ordinary text: `max_tokens=512`, `tokens/s`, `eos_token=</s>`, a path after
`--key` stay as they are. Most lines hold nothing suspicious; one pass of cheap substring tests lets them through.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

HIDDEN: Final = "***"

_MARKS: Final = (
    "sk-",
    "_live_",
    "hf_",
    "gsk_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "npm_",
    "pypi-",
    "dop_v1_",
    "eyJ",
)
"""As they stand; a line without any of these holds no secret that is known by its own form."""

_FAMILIES: Final = (
    # OpenAI, Anthropic, OpenRouter, DeepSeek; Stripe
    r"(?P<sk>\bsk-(?:proj-|ant-|or-|svcacct-|admin-)?)[A-Za-z0-9_-]{16,}",
    r"(?P<stripe>\b[sr]k_live_)[A-Za-z0-9]{10,}",
    r"(?P<hf>\bhf_)[A-Za-z0-9]{16,}",
    r"(?P<groq>\bgsk_)[A-Za-z0-9]{16,}",
    r"(?P<gh>\bgh[pousr]_)[A-Za-z0-9]{16,}",
    r"(?P<ghpat>\bgithub_pat_)[A-Za-z0-9_]{16,}",
    r"(?P<gl>\bglpat-)[A-Za-z0-9_-]{16,}",
    r"(?P<slack>\bxox[abeoprs]-)[A-Za-z0-9-]{8,}",
    r"(?P<slackapp>\bxapp-)[A-Za-z0-9-]{8,}",
    r"(?P<aws>\b(?:AKIA|ASIA))[A-Z0-9]{16}\b",
    r"(?P<google>\bAIza)[A-Za-z0-9_-]{30,}",
    r"(?P<oauth>\bya29\.)[A-Za-z0-9_-]{16,}",
    r"(?P<npm>\bnpm_)[A-Za-z0-9]{30,}",
    r"(?P<pypi>\bpypi-)[A-Za-z0-9_-]{30,}",
    r"(?P<do>\bdop_v1_)[a-f0-9]{32,}",
    # JSON web tokens: header.payload[.signature], each base64url of a JSON object
    r"(?P<jwt>\beyJ)[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",
)
_FAMILY: Final = re.compile("|".join(_FAMILIES))

_PEM_HEAD: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----")
_PEM_TAIL: Final = re.compile(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----")
_URL: Final = re.compile(
    r"(?P<head>\b[A-Za-z][A-Za-z0-9+.-]{0,30}://(?P<user>[^\s/?#:@\"'<>]{0,256}):)[^\s/?#\"'<>]{1,512}@(?=[^\s@])"
)
_URL_LONE: Final = re.compile(r"(?P<head>\bhttps?://)(?P<user>[A-Za-z0-9_-]{20,256})@(?=[^\s@])")
_AUTH: Final = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:(?:bearer|basic|token|digest|apikey|negotiate)\s{1,4})?+|\bbearer\s{1,4})"
    r"(?P<value>[A-Za-z0-9+/=_.~:-]{6,})",
    re.IGNORECASE,
)
_COOKIE: Final = re.compile(
    r"(?P<head>\b(?:set-)?cookie[\"']?:\s{0,4}+)(?!\*\*\*)(?P<value>[^\r\n\"']{4,})", re.IGNORECASE
)

_STRONG: Final = (
    r"pass(?:word|wd|phrase|code)|pwd|client[_-]?secret|secret[_-]?key|secret[_-]?access[_-]?key"
    r"|api[_-]?key|apikey|access[_-]?key|private[_-]?key|auth[_-]?key|signing[_-]?key|encryption[_-]?key|account[_-]?key"
    r"|shared[_-]?key|credentials?"
)
_WEAK: Final = r"secret|token|session[_-]?id|sessionid|auth"
# A name may be part of a longer one in front (AWS_SECRET_ACCESS_KEY, db.password), never behind (max_tokens, password_file).
_PAIR: Final = re.compile(
    r"(?P<head>(?:(?P<strong>" + _STRONG + r")|(?P<weak>" + _WEAK + r"))"
    r"(?P<sep>[\"']?(?:\s{0,2}=\s{0,2}|\s{0,2}:\s{0,4})))"
    r"(?P<value>\"(?:[^\"\\\r\n]|\\.){1,4096}\"|'[^'\r\n]{1,4096}'|[^\s\"',;&|)}\]<>(){\[]{1,4096})",
    re.IGNORECASE,
)
_ENDINGS: Final = (
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "auth",
    "key",
    "credential",
    "session_id",
    "session-id",
    "sessionid",
)
"""How the names of pairs end, in lower case."""
_SEPARATED: Final = re.compile(r"s?[\"']?\s{0,2}[:=]")
"""What stands behind the name of a pair."""
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
"""A set of characters in a regular expression."""
_GAP: Final = r"[^!-~]"
"""For RE2, which knows fewer blanks than Python: whatever may be one."""
SUSPECT: Final = "|".join(
    (
        r"sk-[A-Za-z0-9_-]{12}",
        r"[sr]k_live_",
        r"(?:hf|gsk|gh[pousr]|npm)_[A-Za-z0-9]{12}",
        r"github_pat_",
        r"(?:glpat|pypi)-[A-Za-z0-9_-]{12}",
        r"xox[abeoprs]-|xapp-",
        r"A(?:KI|SI)A[A-Z0-9]{12}",
        r"AIza|ya29\.|dop_v1_",
        r"eyJ[A-Za-z0-9_-]{8}",
        r"://[^\s/?#\"'<>]+@",
        r"PRIVATE KEY-----",
        rf"(?i:authorization[\"']?{_GAP}{{0,4}}[:=]|bearer{_GAP}|cookie[\"']?:)",
        rf"(?i:(?:{_STRONG}|{_WEAK})[\"']?{_GAP}{{0,2}}[:=])",
    )
)
"""An expression for RE2 that every line with a secret matches, and few others do: a whole block of lines is asked at once."""
_LOOKS_SECRET: Final = re.compile(
    r"(?=.{8,})(?=[^0-9]*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.~!@#$%^*:-]+\Z|[0-9a-f]{16,}\Z|[A-Za-z0-9+/=_-]{20,}\Z"
)
_PLAIN_VALUES: Final = frozenset(
    [
        "none",
        "null",
        "nil",
        "true",
        "false",
        "yes",
        "no",
        "on",
        "off",
        "required",
        "missing",
        "invalid",
        "expired",
        "empty",
        "unset",
        "set",
        "given",
        "not",
        "is",
        "was",
        "changed",
        "ok",
        "wrong",
        "incorrect",
        "failed",
        "unknown",
        "default",
        "disabled",
        "enabled",
    ]
)
_MASKED: Final = re.compile(
    r"(?:sk-(?:proj-|ant-|or-|svcacct-|admin-)?|[sr]k_live_|hf_|gsk_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-"
    r"|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|dop_v1_|eyJ)?\*\*\*\Z"
)

_FLAG: Final = re.compile(
    r"--?(?:[a-z0-9]+[_-])*(?:" + _STRONG + r"|secret|token|auth[_-]?token|bearer|pw|pass)", re.IGNORECASE
)
_SHORT_FLAGS: Final = {
    "mysql": "p",
    "mysqldump": "p",
    "mysqladmin": "p",
    "mysqlimport": "p",
    "mysqlsh": "p",
    "mariadb": "p",
    "mariadb-dump": "p",
    "mariadb-admin": "p",
    "mongo": "p",
    "mongosh": "p",
    "mongodump": "p",
    "mongorestore": "p",
    "sshpass": "p",
    "docker": "p",
    "podman": "p",
    "redis-cli": "a",
    "ldapsearch": "w",
    "ldapadd": "w",
    "ldapmodify": "w",
    "sqlcmd": "P",
    "bcp": "P",
    "zip": "P",
    "unzip": "P",
    "7z": "p",
    "7za": "p",
    "ipmitool": "P",
}
_GLUED_ONLY: Final = frozenset(
    {"mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mariadb-admin", "7z", "7za"}
)
"""Here the value is glued to the flag (`-pX`); a lone `-p` asks for it, and the next word is something else."""
_USER_FLAGS: Final = {
    "curl": ("-u", "--user", "-U", "--proxy-user"),
    "wget": (),
    "smbclient": ("-U", "--user"),
    "http": ("-a", "--auth"),
}
_PORTS: Final = frozenset({"docker", "podman"})
"""`-p` is a password only behind `login`; elsewhere it publishes a port."""


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
        for mark in _MARKS:
            if mark in text:
                text = _FAMILY.sub(_hide_family, text)
                break
        if "://" in text and "@" in text:
            text = _URL.sub(rf"\g<head>{HIDDEN}@", text)
            text = _URL_LONE.sub(rf"\g<head>{HIDDEN}@", text)
        text = _mask_named(text, text.lower())
        for pattern in self._extra:
            text = pattern.sub(_hide_extra, text)
        return text

    def mask_cmdline(self, argv: Sequence[str]) -> str:
        """The words of a command line joined by spaces, with secrets hidden."""
        words = list(argv)
        program = words[0].replace("\\", "/").rpartition("/")[2].removesuffix(".exe") if words else ""
        login = program not in _PORTS or "login" in words
        short = _SHORT_FLAGS.get(program) if login else None
        users = _USER_FLAGS.get(program, ())
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
                elif program not in _GLUED_ONLY:
                    hide = _hide_all
            elif _FLAG.fullmatch(word) and index > 0:
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
            klass = _CLASS.match(pattern, at)
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
        text = _AUTH.sub(_hide_auth, text)
    if "cookie" in lower:
        text = _COOKIE.sub(rf"\g<head>{HIDDEN}", text)
    return _PAIR.sub(_hide_pair, text) if _names_pair(lower) else text


def _names_pair(lower: str) -> bool:
    """Whether any pair may be in the text, which is in lower case: much cheaper than to look for one."""
    for ending in _ENDINGS:
        at = lower.find(ending)
        while at >= 0:
            at += len(ending)
            if _SEPARATED.match(lower, at):
                return True
            at = lower.find(ending, at)
    return False


def _hide_family(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{HIDDEN}"


def _hide_keys(text: str) -> str:
    """Hide private keys between their first and last line; one without a last line was cut, and all the rest is it."""
    parts, at = [], 0
    while head := _PEM_HEAD.search(text, at):
        tail = _PEM_TAIL.search(text, head.end())
        parts += [text[at : head.end()], HIDDEN]
        at = len(text) if tail is None else tail.start()
    return "".join([*parts, text[at:]])


def _hide_auth(match: re.Match[str]) -> str:
    """Hide what stands behind `Authorization:` or `Bearer`, unless it is a word such as in "bearer of bad news"."""
    value = match["value"]
    header = "authorization" in match["head"].lower()
    if not header and not _LOOKS_SECRET.match(value):
        return match[0]
    return match["head"] + HIDDEN


def _hide_pair(match: re.Match[str]) -> str:
    """Hide the value of `name=value` and `name: value`, and keep its quotes."""
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    inner = value[1:-1] if quote else value
    if _MASKED.match(inner) or inner.lower() in _PLAIN_VALUES or inner.startswith(("$", "%(", "</")):
        return match[0]
    if match["weak"] and not _LOOKS_SECRET.match(inner):
        return match[0]
    if match["strong"] and ":" in match["sep"] and not quote and match["sep"].endswith(" ") and not _is_single(match):
        return match[0]
    return f"{match['head']}{quote}{HIDDEN}{quote}"


def _is_single(match: re.Match[str]) -> bool:
    """Whether `password: hunter2` names a value, and not a sentence ("password: must be longer")."""
    rest = match.string[match.end() : match.end() + 2]
    return bool(_LOOKS_SECRET.match(match["value"])) or not rest.strip() or not rest[0].isspace()


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

"""Where the value behind a name stands, and whether it is a secret."""

import re
from typing import Final, NamedTuple

from logs.redaction import families
from logs.redaction.late import late
from logs.redaction.names import Kind, words

HIDDEN: Final = "***"
ANSI: Final = r"(?:\x1b\[[0-9;]{0,24}m){0,4}+"
"""Colours of a terminal may stand anywhere between a name and its value."""
QUOTE: Final = r"(?:\\*[\"'`]|\\+u002[27]|%2[27]|&(?:quot|apos|#3[49]);)"
"""A quotation mark, also one within quoted text, within JSON, a URL or XML."""
BLANK: Final = r"[^\S\r\n]"
_OPEN: Final = late(QUOTE)
_WRAP: Final = late(
    r"(?:[A-Za-z@$]{1,2}(?=[\"'])|(?:\w{1,20}(?:\.|::)){0,3}(?!(?:Get|Must|Read|Fetch|Load|Find|Lookup)[A-Z])(?:[A-Z]\w{0,30})??(?:Secret|Secure|Str|String|Bytes|Password|Token|Key|Dsn|Some|Ok|Option|Optional|Just)"
    r"\w{0,12}\((?:\w{1,20}=)?[bBuUrR]{0,2}(?=\\*[\"'])|string\(\d{1,6}\) (?=[\"'])|(?:Optional|Some|Just)[\[( ](?=\w)|\[(?=[bBuU]?\\*[\"']))"
)
"""What may stand around a value: `N'…'` of SQL, `SecretStr('…')`, `Some("…")`, `Optional[…]`."""
_BRACED: Final = late(
    r"\{(?![A-Za-z_.]+\})([^{}\s]{1,128})\}(?=;|[ \t\"']*\Z)|\[(?=[^\]]{0,127}\d)(?=[^\]]{0,127}[A-Za-z])([^\[\]\s,\"':]{6,128})\](?=[\s;,&})\]]|\Z)"
)
"""ODBC's way to quote; and a list of one value, as programs show the fields of a form."""
_CODE: Final = late(
    r"\$[{(]|(?:await )?[A-Za-z_]\w*(?:(?:\.|::|->)\w+)*\((?!\*)|(?:self|cls|this|var|local|each|module|secrets|vault|args|config|cfg|conf|settings|request|req|os|env|process|ctx|options|opts|params|kwargs|data|form|values?|row|app|current_app|event|body|payload)"
    r"(?:\.[A-Za-z_]\w*)+(?![\w.!@#%^&*+/-])|[A-Za-z_]\w*(?:\.\w+)*\[[\"'\w]"
)
"""A piece of a program, as in the lines of a traceback: `password = os.environ["X"]`, `token=self.token`."""
_DOUBT: Final = late(r"[\[(<{][\w .*-]{1,40}[\])>}]\Z")
_ALGORITHM: Final = late(
    r"(?:(?:rsa|ecdsa|dsa|hmac|sha\d{0,3}|md5|aes|scram|ed25519|hs\d{3}|rs\d{3}|es\d{3}|bcrypt|argon2(?:id|i|d)?|pbkdf2|scrypt|gcm|cbc|with)(?:[-_/]?\d{1,3}(?!\w))?[-_/]?)+\Z",
    re.IGNORECASE,
)
_SENTENCE: Final = late(
    r"(?:is|must|can't|cannot|has|does|was|should|needs?|too|this field|may not|please|incorrect|invalid|enter|confirm|choose|repeat|your|the)\b[a-z' ]* .*",
    re.IGNORECASE,
)
"""What a form or a check says of a password."""
_BARE: Final = late(r"(?:(?!(?:\\r)?\\n(?:[\w-]{1,60}: |[\"'\\]|\Z)|\\r\\n)[^\s\"'`,;&|)}\]<>(){\[\x1b])+")
"""A line's end that is written as an escape ends it, too, where another line or the text's end follows."""
_HASH: Final = late("|".join(head + rest for head, rest in families.HASHES))
_STRING: Final = {
    '"': late(r'"((?:[^"\\\r\n]|\\.)*+)"'),
    "'": late(r"'((?:[^'\\\r\n]|\\.)*+)'"),
    "`": late(r"`([^`\r\n]*+)`"),
}
_SAYS: Final = late(r"[^\s)\]};,.\\]")
_LINE: Final = late(r"[^\r\n]*")
LOOKS_SECRET: Final = late(
    r"(?=.{8,})(?=[^0-9]*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.~!@#$%^*:-]+\Z|[0-9a-f]{16,}\Z|[A-Za-z0-9+/=_-]{20,}\Z"
)
_CODE_NUMBER: Final = late(r"\d{6,8}\Z")
_SHORT: Final = late(r"(?=[^0-9]*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_-]{6,}\Z")
LONG: Final = late(r"(?=[A-Za-z+/=_.-]*[0-9])(?=[0-9+/=_.-]*[A-Za-z])[A-Za-z0-9+/=_.-]{16,}")
_MASKED: Final = late(rf"(?:{families.PREFIX})?\*\*\*")
_PLACE: Final = late(
    r"(?:~|\.{1,2})?(?:/[\w.@%-]*)+\Z|[A-Za-z]:[\\/]|\.{1,2}\Z|[\w.-]+\.(?:json|ya?ml|toml|pem|key|crt|p12|txt|env|cfg|ini)\Z"
)
_STAND_IN: Final = late(r"\$\{?\w+\}?\Z|\$[({]|%\(|\{\{|</|%\w+%\Z|%[+#]?[sdrvq]\Z")
_WORDY: Final = late(r"\w")
_NUMBER: Final = late(r"\d{1,2}(?:\.\d+)?\Z")
PLAIN_VALUES: Final = words(
    "none null nil undefined true false yes no on off required missing invalid expired empty unset set given not is was changed ok wrong"
    " incorrect failed failure success accepted rejected denied unknown default disabled enabled valid correct optional reset updated"
    " generated hidden redacted masked encrypted prompt ask str string text bool int bytes any optional nan n/a na must cannot will too"
    " for and or to in from of with by does has are needs should can may may-be this that the a an option options flag argument given"
    " expected not-set unchanged mismatch match matched basic bearer token oauth oauth2 ldap kerberos publickey password"
    " include omit same-origin erforderlich falsch ungültig vergessen abgelaufen requerida requerido obligatoria incorrecta incorrecto inválida"
    " caducada requis obligatoire incorrecte invalide expiré oublié obrigatória incorreta inválida richiesta errata требуется неверный 错误 必填"
    " necesaria verplicht vereist onjuist wymagane nieprawidłowe mismatched locked blank short weak medium expiring created deleted rotated"
    " creating refreshing destroying modifications complete still value_specified_in_no_log_parameter loaded verified saved stored ignored skipped present absent available unavailable supplied provided latest"
)


class Value(NamedTuple):
    """A value in a text: the positions of what is to hide, and whether it is in quotation marks."""

    start: int
    end: int
    quoted: bool


def value_at(text: str, at: int) -> Value | None:
    """The value that begins at `at`; None without one. A quoted value without an end goes to the end of its line."""
    if (braced := _BRACED.match(text, at)) is not None:
        return Value(*braced.span(braced.lastindex or 1), quoted=True)
    wrap = _WRAP.match(text, at)
    if wrap is not None:
        at = wrap.end()
    elif _CODE.match(text, at):
        return None
    opened = _OPEN.match(text, at)
    if opened is None:
        bare = _HASH.match(text, at) or _BARE.match(text, at)
        return None if bare is None else Value(at, bare.end(), quoted=False)
    mark = opened[0]
    if mark in _STRING:
        whole = _STRING[mark].match(text, at)
        if whole is not None:
            return Value(*whole.span(1), quoted=True)
    line = _LINE.match(text, opened.end())
    last = line.end() if line else len(text)
    end = text.find(mark, opened.end(), last) if mark not in _STRING else -1
    if end < 0 and not _SAYS.search(text, opened.end(), last):
        return None  # the end of a prompt: `input("Password: ")`
    return Value(opened.end(), last if end < 0 else end, quoted=True)


def is_masked(value: str) -> bool:
    """Whether a value was hidden before."""
    return _MASKED.match(value) is not None


def is_secret(value: str, kind: Kind, *, sure: bool) -> bool:
    """Whether a value behind a name of this kind is a secret.

    Args:
        value: without its quotation marks.
        kind: what the name says.
        sure: it was assigned, as with `=`, or stands in quotation marks; with `name: value` it may begin a sentence.
    """
    low = value.lower().rstrip(".…!")
    if (
        not _WORDY.search(value)
        or kind == "none"
        or is_masked(value)
        or low in PLAIN_VALUES
        or _STAND_IN.match(value)
        or _DOUBT.match(value)
        or _ALGORITHM.match(value)
    ):
        return False
    if " " in value and _SENTENCE.match(value):
        return False
    if kind == "place" and _PLACE.match(value):
        return False
    if kind == "code" and _CODE_NUMBER.match(value):
        return True
    if kind in {"weak", "code"}:
        return bool(LOOKS_SECRET.match(value) or (sure and _SHORT.match(value)))
    return True


def is_small_number(value: str) -> bool:
    """Whether it counts something: `--pass 2`."""
    return _NUMBER.match(value) is not None

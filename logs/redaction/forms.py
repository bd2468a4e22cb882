"""The forms in which a text gives a name and its secret: assignments, options, XML, headers, URLs, private keys."""

import base64
import re
from collections.abc import Callable
from typing import Final

from logs.redaction.late import late
from logs.redaction.names import kind_of
from logs.redaction.values import (
    ANSI,
    BLANK,
    HIDDEN,
    LONG,
    LOOKS_SECRET,
    PLAIN_VALUES,
    QUOTE,
    Value,
    is_masked,
    is_secret,
    is_small_number,
    value_at,
)

_NAME: Final = r"(?:(?<![\w.-])(?!(?<=%)[2-7][0-9A-Fa-f])|(?<=%[2-7][0-9A-Fa-f]))(?P<name>(?:(?i:api|access|secret|private|auth|signing|encryption|account|master|(?:pre-?)?shared|license|recovery|stream) (?=(?i:key))|(?i:mot de )(?=(?i:passe))|(?i:kata )(?=(?i:sandi))|(?i:mật )(?=(?i:khẩu))|كلمة (?=المرور))?[\w.-]++)"
_TYPED: Final = rf":{BLANK}*+(?:&(?:'\w++{BLANK})?)?(?:[Ss]tring|str|bytes|char|CharSequence|[Aa]ny)\??{BLANK}*+=(?!=)"
"""A declaration with its type: `let password: String = "x"`."""
PAIR: Final = late(
    rf"{_NAME}(?P<close>{ANSI}{QUOTE}?\]?{ANSI}){BLANK}*+(?P<sep>{_TYPED}|:=|(?:\|\||\?\??)=|=>|->|→|⇒|={{1,3}}|::(?= )|[:\uff1a]|%3[aAdD])(?P<gap>{BLANK}*+(?:\r?\n{BLANK}*+(?=string\(\d)|{BLANK}*+[|>][+-]?\r?\n{BLANK}++)?+){ANSI}(?={QUOTE}?{ANSI}[^\s=])"
)
OPTION: Final = late(
    rf"(?<![\w-])--?(?P<name>[A-Za-z][\w.-]*+)(?P<close>{QUOTE}?)(?P<sep>{BLANK}*+,{BLANK}*+(?={QUOTE})|{BLANK}++)"
)
BESIDE: Final = late(rf"{_NAME}{QUOTE}?{BLANK}{{1,8}}+{QUOTE}?")
XML: Final = late(
    r"<(?:[\w-]++:)?(?P<name>[\w.-]++)(?P<more>\s[^<>]*+)?+>(?:<!\[CDATA\[)?(?P<value>[^<>]+?)(?:\]\]>)?</"
)
XML_QUOTED: Final = late(
    r"(?:&lt;|\\u003[cC])(?:[\w-]++:)?(?P<name>[\w.-]++)(?P<more>)(?:&gt;|\\u003[eE])(?P<value>[^<>&\\]++)(?=&lt;/|\\u003[cC]/)"
)
XML_NESTED: Final = late(
    r"\s(?:name|key)=[\"'](?P<name>[\w.-]++)[\"'][^<>]*+(?P<more>)>\s*+<value>(?P<value>[^<>]++)</"
)
SET: Final = late(
    rf"\b(?:setenv|SetEnv|ENV|setx(?:{BLANK}++/[mM])?|set{BLANK}++-[A-Za-z]{{1,4}}|(?:request)?_?[hH]eader(?:[ \t]+set)?|proxy_set_header|fastcgi_param|auth_request_set|set){BLANK}{{1,8}}+(?P<name>\$?[\w.-]++){BLANK}{{1,8}}+(?=[\"']?[^\s\"'=])"
)
"""`ENV NAME value`, `setenv NAME value`, `proxy_set_header NAME "value"`."""
REGISTRY: Final = late(
    rf"(?P<name>[\w.-]++)[\"']?{BLANK}{{1,40}}+(?:/t{BLANK}++)?REG_\w{{2,12}}(?:{BLANK}{{1,40}}+/d)?{BLANK}{{1,40}}+(?=\S)"
)
"""`DefaultPassword REG_SZ value`, `/v DefaultPassword /t REG_SZ /d value`."""
NESTED: Final = late(
    rf"(?<![\w.-])(?P<name>[\w.-]++)(?:{QUOTE})?\s{{0,8}}+[:=]\s{{0,8}}+\{{\s{{0,40}}+(?:{QUOTE})?value(?:{QUOTE})?\s{{0,8}}+[:=]\s{{0,8}}+"
)
"""`"db.password": {"value": "x"}`, as frameworks list their properties."""
DECLARED: Final = late(
    r"\b(?:variable|output)[ \t]++\"(?P<name>[\w.-]++)\"\s*+\{[^{}]{0,400}?\b(?:default|value)[ \t]*+=[ \t]*+(?=\")"
)
"""A variable of Terraform with its value."""
CI: Final = late(
    r"(?:##vso\[task\.setvariable|##\[set-(?:env|output)|::(?:set-(?:env|output)|save-state))[ \t][^\]\n:]*?\b(?:name|variable)=(?P<name>[\w.-]++)[^\]\n:]*+(?:\]|::)(?=\S)"
)
"""What a step of a pipeline tells its runner."""
_ATTRIBUTE: Final = late(r"\s(?:name|key|id)=[\"'](?P<name>[\w.-]+)[\"']")
TUPLE: Final = late(
    rf"[({{\[]\s{{0,4}}(?:{QUOTE}|:)?(?P<name>[\w.-]++)(?:{QUOTE})?\s{{0,4}}[,.]\s{{1,4}}(?={QUOTE})|\{{(?P<atom>[a-z_]++),(?={QUOTE})"
)
"""`('password', 'x')`, `{password, "x"}`, `(password . "x")`."""
LISTED: Final = late(
    rf"\b(?:[kK]ey|[nN]ame)(?:{QUOTE})?{BLANK}*+[=:]{BLANK}*+(?:{QUOTE})?(?P<name>[\w./-]++)(?:{QUOTE})?[\s,]{{1,40}}+(?:{QUOTE}[tT]ype{QUOTE}{BLANK}*+:{BLANK}*+{QUOTE}\w++{QUOTE},{BLANK}*+)?(?:{QUOTE})?[vV]alue"
    rf"(?:{QUOTE})?{BLANK}*+[=:]{BLANK}*+"
)
_AT_NAME: Final = r"(?:\b|(?<=\\[nrt]))"
"""Where a name begins: also behind a line's end that is written as an escape, `b'…\\r\\nCookie: …'`."""
AUTH: Final = late(
    rf"(?P<head>{_AT_NAME}(?:proxy-)?authorization(?:{QUOTE})?\s{{0,8}}+[:=]>?\s{{0,8}}+\[{{0,2}}(?:{QUOTE})?(?:(?P<scheme>bearer|basic|token|digest|apikey|negotiate|ntlm|hawk"
    r"|oauth|signature|aws4-hmac-sha256|sso-key|key|bot|splunk|genie-?key|discogs|ssws|api-key|sharedkey|sharedkeylite|hmac)\s{1,4})?+|\bbearer\s{1,4})(?P<value>[A-Za-z0-9+/=_.~:%-]{6,})",
    re.IGNORECASE,
)
_ARN: Final = late(r"\barn:[\w-]{1,20}:\S*\Z")
_USER: Final = late(r"\buser(?:name|id|_id)?[\"']?[ \t]?[=:][^\n]*\Z", re.IGNORECASE)
_NAMED: Final = late(r"-{0,2}(?:set-|update-)?secrets?")
_OBJECT_NAME: Final = late(r"[a-z]{2,}(?:-[a-z]{2,})+")
"""`--secret=db-password` says which secret, not what is in it."""
_PART: Final = late(r"(?:id|src|source|type)=")
"""`docker build --secret id=x`."""
_SOMEBODYS: Final = late(
    r"-{0,2}(?!(?:first|second|two|multi|single|one|low|high|band|by|last|final|max|num|n|per|all|no|render|opt)[-_.]?pass\Z)(?:[A-Za-z]\w*[-_.])?pass\Z",
    re.IGNORECASE,
)
_LOOSE: Final = frozenset({":", "\uff1a", "->", "→", "⇒"})
"""What also stands in a sentence."""
SQL: Final = late(
    rf"\bidentified{BLANK}+by{BLANK}+(?!(?:values|password|random|externally|globally|by)\b)(?=[\w$#])|\b(?:password|identified{BLANK}+(?:with{BLANK}+\S{{1,60}}{BLANK}+)?by(?:{BLANK}+password)?){BLANK}+(?=[\"'])"
    rf"|\bpassword{BLANK}+for{BLANK}+\S{{1,100}}{BLANK}*={BLANK}*(?:password{BLANK}*\({BLANK}*)?(?=[\"'])"
    rf"|\bpassword{BLANK}*=?{BLANK}*password{BLANK}*\({BLANK}*(?=[\"'])",
    re.IGNORECASE,
)
_ASSIGNED: Final = late(r"[A-Za-z_]\w*=[^=]")
_TOKENS: Final = ("token", "bearer", "jwt")
_PARTS: Final = frozenset({"digest", "hawk", "oauth", "signature", "aws4-hmac-sha256"})
"""Schemes whose secret is one of several parts: all the line is hidden."""
_REST: Final = late(r"[^\r\n]*")
COOKIE: Final = late(
    rf"(?P<head>{_AT_NAME}(?:set-)?cookie(?:{QUOTE})?:\s{{0,8}}+(?:{QUOTE})?)(?=[\w.%-]+=)(?!\*\*\*)(?P<value>[^\r\n\"']{{4,}})",
    re.IGNORECASE,
)
_COOKIE_PARTS: Final = frozenset({"path", "domain", "expires", "max-age", "samesite", "priority"})
_GUESSED: Final = late(r"[A-Za-z]{1,12}(?:[-_][A-Za-z]{1,8}){0,2}|\d{1,2}")
_PERSONAL: Final = late(r"sess|auth|user|login|remember|id\b|\bu\b", re.IGNORECASE)
PEM_HEAD: Final = late(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
PEM_TAIL: Final = late(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----")
_SCHEME: Final = r"(?P<head>\b[A-Za-z][A-Za-z0-9+._-]{0,30}://(?P<user>[^\s/?#:@\"'<>\[\]]{0,256}):)"
_FILLED: Final = r"(?!(?:%[sv]|%\(\w{1,60}\)s|\$?\{{1,2}[^{}@\s]{0,80}\}{1,2}|\$\w{1,60})@)"
"""Not a place that a program fills in."""
URL: Final = late(rf"{_SCHEME}{_FILLED}[^\s/?#\"'<>]{{1,512}}@(?![@])")
URL_ODD: Final = late(
    rf"{_SCHEME}(?!\d{{1,5}}(?:[/?#]|\Z)|\*\*\*@|//)(?=[^\s\"'<>@]{{0,512}}[/?#])[^\s\"'<>@]{{1,512}}@(?=[A-Za-z0-9_.-]+(?:[:/?#\s\"',;)]|\Z))"
)
"""A password with `/`, `?` or `#` in it; a port before them means that there is no password."""
URL_LONE: Final = late(r"(?P<head>\bhttps?://)(?P<user>[A-Za-z0-9_-]{20,256})(?::(?:x(?:-oauth-basic)?)?)?@(?=[^\s@])")
"""A token in place of a name, without a password or with one that says so."""
URL_TOKEN: Final = late(
    r"(?P<head>\b(?:rediss?|valkeys?|nats|tls|stun|turn)://)(?=[a-zA-Z_-]*\d)[A-Za-z0-9_.~%!+-]{8,256}@(?=[^\s@])"
)
"""Some servers take the lone word before the host for a password or a token."""
BASIC: Final = late(r"(?P<head>\bbasic\s{1,4})(?P<value>[A-Za-z0-9+/]{6,}={0,2})(?![\w+/=])", re.IGNORECASE)
SIGNED: Final = late(
    r"(?P<head>[?&;](?:sig|hmac|[\w-]{0,40}?signature|x-amz-security-token|code|assertion)=)(?!\*\*\*)[A-Za-z0-9%+/=_.~-]{12,}",
    re.IGNORECASE,
)
_OBJECT: Final = late(r"(?=.*[a-z]{3})[a-z0-9]+(?:[.-][a-z0-9]+)+")
"""The name of an object that keeps secrets: `secret "db-credentials-x2x9z" not found`."""
_BECAME: Final = late(r"(?P<head>\*\*\*(?P<mark>[\"'])[ \t]*(?:=>|->|→)[ \t]*(?P=mark))(?!\*\*\*)[^\"'\n]+(?P=mark)")
"""What a changed value became: `"old" => "new"`."""
_OTHERS: Final = late(
    r"(?P<head>\[[bBuU]?(?P<mark>\\*[\"'])\*\*\*(?P=mark))(?:[ \t]*,[ \t]*[bBuU]?(?P=mark)[^\"'\n\\]*(?P=mark))+"
)
"""The others of a list whose first is hidden: `passwords=['***', 'b']`."""
_CLOSED: Final = late(rf"{QUOTE}\s{{0,4}}[)}}\]]")
HOOK: Final = late(
    r"(?P<head>hooks\.slack\.com/(?:services|workflows|triggers)/\w+/\w+/(?:\d+/)?+"
    r"|discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d+/"
    r"|api\.telegram\.org/(?:file/)?bot\d+:"
    r"|\.office\.com/webhook(?:b2)?/[\w@-]+/IncomingWebhook/"
    r"|hooks\.zapier\.com/hooks/catch/\d+/"
    r"|/hooks/(?=[a-z0-9-]{26,40}\b)|youtube\.com/live2/"
    r"|maker\.ifttt\.com/\S{1,200}?/key/"
    r"|\.logic\.azure\.com\S{1,300}?[?&]sig=)(?!\*\*\*)[A-Za-z0-9_%/.-]{4,}"
)


def hide_urls(text: str) -> str:
    """Passwords and tokens in URLs."""
    if "@" in text:
        for url in (URL_LONE, URL_TOKEN, URL, URL_ODD):
            text = url.sub(rf"\g<head>{HIDDEN}@", text)
    return HOOK.sub(rf"\g<head>{HIDDEN}", SIGNED.sub(rf"\g<head>{HIDDEN}", text))


def hide_keys(text: str) -> str:
    """Private keys between their first and last line; one without a last line was cut, and all the rest is it."""
    parts, at = [], 0
    while head := PEM_HEAD.search(text, at):
        tail = PEM_TAIL.search(text, head.end())
        parts += [text[at : head.end()], HIDDEN]
        at = len(text) if tail is None else tail.start()
    return "".join([*parts, text[at:]])


def hide_headers(text: str) -> str:
    """What stands behind `Authorization:`, `Bearer`, `Cookie:` and, where it is a name and a password, `Basic`."""
    parts, at = [], 0
    while match := AUTH.search(text, at):
        end = match.end()
        if _is_credential(match):
            if (match["scheme"] or "").lower() in _PARTS and (rest := _REST.match(text, end)):
                end = rest.end()
            parts += [text[at : match.start("value")], HIDDEN]
        else:
            parts.append(text[at:end])
        at = end
    return BASIC.sub(_hide_basic, COOKIE.sub(_hide_cookies, "".join([*parts, text[at:]])))


def _hide_cookies(match: re.Match[str]) -> str:
    """All cookies of a header, unless each is a choice that anybody could guess: `theme=dark; lang=en-GB`."""
    pairs = (part.strip().partition("=") for part in match["value"].split(";"))
    plain = all(
        name.lower() in _COOKIE_PARTS
        or (not value and not mark)
        or (_GUESSED.fullmatch(value) and not _PERSONAL.search(name) and kind_of(name) == "none")
        for name, mark, value in pairs
    )
    return match[0] if plain else match["head"] + HIDDEN


def _hide_basic(match: re.Match[str]) -> str:
    """The word behind `Basic`, if it is base64 of `user:password`; most words there are only words."""
    value = match["value"]
    try:
        login = base64.b64decode(value + "=" * (-len(value) % 4), validate=True).decode()
    except ValueError:
        return match[0]
    return match["head"] + HIDDEN if ":" in login and login.isprintable() else match[0]


def _is_credential(match: re.Match[str]) -> bool:
    """Not a word as in `bearer of bad news` or `Authorization: required`."""
    value = match["value"]
    if not match["head"].lower().startswith(("authorization", "proxy-")):
        return bool(LOOKS_SECRET.match(value)) and not _ASSIGNED.match(value)
    if match["scheme"]:
        return value.lower() not in PLAIN_VALUES and not value.lower().startswith("realm=")
    return not (value.isalpha() and value.islower() and len(value) < 20)


def hide_pairs(text: str) -> str:
    """`name=value`, `name: value`, `"name": "value"`, `name := value`, `name => value`."""
    text = _each(text, PAIR, _pair_value)
    if HIDDEN not in text:
        return text
    return _OTHERS.sub(r"\g<head>", _BECAME.sub(rf"\g<head>{HIDDEN}\g<mark>", text))


def hide_options(text: str) -> str:
    """`--name value`, also as words of a list in quotation marks."""
    return _each(text, OPTION, _option_value)


def hide_listed(text: str) -> str:
    """`<name>value</name>`, `key="name" value="value"`, `name: NAME, value: value`, `PASSWORD 'value'`, a long value beside its name."""
    text = _each(text, LISTED, _listed_value)
    for form in (NESTED, DECLARED, CI, REGISTRY):
        text = _each(text, form, _listed_value)
    text = _each(text, SET, _set_value)
    text = XML_NESTED.sub(_hide_xml, text)
    text = XML_QUOTED.sub(_hide_xml, XML.sub(_hide_xml, text))
    text = _each(text, TUPLE, _tuple_value)
    text = _each(text, SQL, _sql_value)
    return _each(text, BESIDE, _beside_value)


def _each(text: str, pattern: re.Pattern[str], value_of: Callable[[re.Match[str]], Value | None]) -> str:
    """The text with what `value_of` finds behind each match hidden."""
    parts, kept, at = [], 0, 0
    while match := pattern.search(text, at):
        value = value_of(match)
        if value is None:
            at = match.end()
            continue
        parts += [text[kept : value.start], HIDDEN]
        kept = at = value.end
    return "".join([*parts, text[kept:]]) if parts else text


def _pair_value(match: re.Match[str]) -> Value | None:
    name = match["name"]
    if match.string[match.start() - 1 : match.start()] == "\\" and name[0] in "nrt" and kind_of(name[1:]) != "none":
        name = name[1:]  # `\\nX-Auth-Token: …`, a line's end as an escape
    kind = kind_of(name)
    text = match.string
    if kind == "none" and name[-1] in "sS" and text.startswith("[", match.end()) and kind_of(name[:-1]) != "none":
        kind = "weak"  # a list of them, or of their names
    if kind == "none":
        return None
    value = value_at(text, match.end())
    if value is None or _is_of_other(match, text[value.start : value.end]):
        return None
    inner = text[value.start : value.end]
    if kind == "weak":
        if name.startswith("-") and match["sep"] == "=" and is_option_secret(name.lstrip("-"), inner):
            return value
        if _is_pass(name) and _USER.search(text, max(0, match.start() - 80), match.start()):
            kind = "strong"
    sure = value.quoted or match["sep"] not in _LOOSE
    sure = sure or (match["name"].lower() == "pass" and _is_single(text, value))
    if not is_secret(inner, kind, sure=sure):
        return None
    if not sure and kind not in {"weak", "code"} and match["gap"] and not _is_single(text, value):
        return None
    return value


def _is_of_other(match: re.Match[str], value: str) -> bool:
    """Whether the name has no value of its own: `password= host=db`, `arn:aws:secretsmanager:…:secret:name`."""
    text, start = match.string, match.start()
    if match["name"].startswith("--") and _NAMED.fullmatch(match["name"]) and _OBJECT_NAME.fullmatch(value):
        return True
    if match["sep"] == "=" and match["gap"]:
        return not text[start : match.start("sep")].endswith((" ", "\t")) and bool(_ASSIGNED.match(value))
    return match["sep"] == ":" and not match["gap"] and bool(_ARN.search(text, max(0, start - 120), start))


def _is_pass(name: str) -> bool:
    return name.lower() in {"pass", "pas"}


def _is_single(text: str, value: Value) -> bool:
    """Whether `password: hunter2` names a value, and not a sentence ("password: must be longer")."""
    rest = text[value.end : value.end + 2]
    return bool(LOOKS_SECRET.match(text[value.start : value.end])) or not rest.strip() or not rest[0].isspace()


def _option_value(match: re.Match[str]) -> Value | None:
    """What stands behind an option. Another option there means that this one took no value."""
    kind = kind_of(match["name"])
    if kind == "none":
        return None
    text = match.string
    value = value_at(text, match.end())
    if value is None or text.startswith(("-", HIDDEN), value.start):
        return None
    return value if is_option_secret(match["name"], text[value.start : value.end]) else None


def is_option_secret(name: str, value: str) -> bool:
    """Whether the word behind an option of this name is a secret."""
    kind = kind_of(name)
    if _PART.match(value) or (_NAMED.fullmatch(name) and _OBJECT_NAME.fullmatch(value)):
        return False
    if kind in {"weak", "code"} and not name.lower().endswith(_TOKENS) and not _SOMEBODYS.match(name):
        return ":" in value or is_secret(value, kind, sure=True)
    return is_secret(value, "strong" if kind == "weak" else kind, sure=True) and not is_small_number(value)


def _listed_value(match: re.Match[str]) -> Value | None:
    kind = kind_of(match["name"])
    value = value_at(match.string, match.end()) if kind != "none" else None
    if value is None or not is_secret(match.string[value.start : value.end], kind, sure=True):
        return None
    return value


def _hide_xml(match: re.Match[str]) -> str:
    value = match["value"].strip()
    kind = kind_of(match["name"])
    if kind == "none" and (named := _ATTRIBUTE.search(match["more"] or "")):
        kind = kind_of(named["name"])
    if not is_secret(value, kind, sure=True):
        return match[0]
    start, end = (at - match.start() for at in match.span("value"))
    return match[0][:start] + HIDDEN + match[0][end:]


def _set_value(match: re.Match[str]) -> Value | None:
    value = value_at(match.string, match.end())
    if value is None:
        return None
    inner = match.string[value.start : value.end]
    sure = value.quoted or not inner.isalpha()
    return value if sure and is_secret(inner, kind_of(match["name"]), sure=True) else None


def _tuple_value(match: re.Match[str]) -> Value | None:
    """The second of two in brackets; of more, they are a list of names."""
    text = match.string
    if kind_of(match["name"] or match["atom"]) == "none" or (value := value_at(text, match.end())) is None:
        return None
    closed = _CLOSED.match(text, value.end)
    inner = text[value.start : value.end]
    return value if closed and " " not in inner and is_secret(inner, "weak", sure=True) else None


def _sql_value(match: re.Match[str]) -> Value | None:
    value = value_at(match.string, match.end())
    if value is None or not is_secret(match.string[value.start : value.end], "strong", sure=True):
        return None
    is_call = "(" in match[0]  # as in `password("Your password")`, which asks for one
    return None if is_call and " " in match.string[value.start : value.end] else value


def _beside_value(match: re.Match[str]) -> Value | None:
    if kind_of(match["name"]) == "none":
        return None
    found = LONG.match(match.string, match.end())
    return (
        None
        if found is None or _OBJECT.fullmatch(found[0]) or is_masked(found[0])
        else Value(*found.span(), quoted=False)
    )

"""Where a rule may find a secret: an expression for RE2 a rule, which a whole block of lines is asked at once."""

import re
from collections.abc import Sequence
from typing import Any, Final

import re2

from logs.redaction import families
from logs.redaction.commands import KEEPERS, SETTERS
from logs.redaction.names import KEY_OWNERS
from logs.redaction.programs import PROGRAMS

_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
"""A set of characters in a regular expression."""
_GAP: Final = r"(?:[^!-~\n]|[\"'`\\\]]|\x1b\[[0-9;]*m|u002[27]|%2[27]|&(?:quot|apos|#3[49]);)*?"
"""What may stand between a name and its value."""
_KEYS: Final = rf"(?:{'|'.join(KEY_OWNERS)})[ _.-]?key"
_MORE: Final = r"[\w.\x{80}-\x{10ffff}-]"
_OTHERS: Final = "passwort|kennwort|passe|contrase|wachtwoord|senord|salasana|пароль|密码|密碼|パスワード|비밀번호|senha|has[lł]o|heslo|parola|jelsz|sifre|şifre|adgangskode|passord|kodeord|lozinka|geslo|mdp|clave|口令|kata.?sandi|mật.?khẩu|رمز|كلمة|loginpas|sonar\\.login"
_STEM: Final = rf"(?:pass(?:w|phrase|code|\b|_)|pass|pwd|pw|psk|secret|dockerc(?:onfigjson|fg)|credential|{_KEYS}|privkey|{_OTHERS}){_MORE}*"
_EXACT: Final = r"(?:token(?:[_.-][\w.-]*|(?-i:[0-9A-Z]\w*))?|jwt|bearer|auth|authorization_?-?code|device_?-?code|code_?-?verifier|saml_?response|assertion|session_?-?id|sessid|sid|csrf|xsrf|[th]?otp|(?:mfa|tfa|sms|otp|verification|security|authenticator|one[_ -]?time)[_-]?code|cookie|signature|[_-]pat|aspxauth|stream[ _-]?key)"
_NAME: Final = rf"(?:{_STEM}|{_EXACT})"
_PROGRAM: Final = "|".join(re.escape(name) for name in PROGRAMS)
_BLANKS: Final = r"[^!-~\n]+"
FAMILY: Final = families.SUSPECT
URL: Final = (
    r"://[^\s\"'<>]+@|(?i:[?&;](?:sig|hmac|[\w-]*signature|x-amz-security-token|code|assertion)=)"
    r"|hooks\.slack\.com/|/hooks/[a-z0-9-]{12}|youtube\.com/live2/|discord(?:app)?\.com/api/|api\.telegram\.org/|office\.com/webhook|hooks\.zapier\.com/"
    r"|maker\.ifttt\.com/|logic\.azure\.com"
)
PRIVATE_KEY: Final = "PRIVATE KEY|Private-Lines:"
HEADER: Final = rf"(?i:authorization{_GAP}[:=]|(?:bearer|basic)[^!-~\n]|cookie[^A-Za-z0-9\n]*:)"
_PLACED: Final = "|".join(
    sorted(
        re.escape(name)
        for name, grammar in PROGRAMS.items()
        if grammar.places or grammar.slash or grammar.items or "" in grammar.reach
    )
)
_BEGINS: Final = r"(?:COMMAND|[Cc]ommand|[Cc]md|[Ee]xec|[Ee]xecuting|[Rr]unning)[=:]"
_WORKS: Final = "|".join((*SETTERS, *KEEPERS))
COMMAND: Final = "|".join(
    (
        rf"\b(?:{_PROGRAM})(?:\.exe)?[\"']?[\t\r ,][^\n]*(?:-|/p|\b(?i:{_WORKS})\b)",
        r"\spass:\S|=pass:\S|\s/(?:p|password|pass|gp):\S",
        rf"\b(?:{_PLACED})(?:\.exe)?[\"']?[\t\r ,]",
        rf"\b{_BEGINS}[^\n]*\b(?i:{_WORKS})\b",
        r"\b(?:echo|printf)\s[^\n]*\||<<<",
    )
)
PAIR: Final = rf"(?i:{_NAME}{_GAP}(?:\|\|=|\?\??=|[:=]|%3[ad]|->|[→⇒\x{{ff1a}}]))"
OPTION: Final = rf"(?i:-[\w.-]*{_NAME}[\"'\\]*[\s,])"
_BEHIND: Final = "|".join(
    (
        rf"[\"'\\]*{_BLANKS}[\"'\\]*[\w+/=.-]{{16}}",
        r"[\"']*[\s,.]+[\"']|\",[\"']",
        r"[^<>\n]*>(?:<!\[CDATA\[|\s*<value>)?[^<>\n]+(?:\]\]>)?</",
        r"(?:&gt;|\\u003e)",
        r"[^A-Za-z0-9\n]*\n?[^A-Za-z0-9\n]*(?:type[^A-Za-z0-9\n]+\w+[^A-Za-z0-9\n]+)?value",
        r"[\"']?[ \t]+(?:/t[ \t]+)?REG_",
    )
)
"""What may follow the name in a list, in XML, or beside it."""
LISTED: Final = "|".join(
    (
        rf"(?i:{_NAME}(?:{_BEHIND}))",
        rf"(?i:(?:setenv|env|header(?:[ \t]+set)?|_param|_set|\bsetx|\bset)(?:{_BLANKS}[-/]\w{{1,4}})?{_BLANKS}[\w.$-]*{_NAME}{_BLANKS}[^ =])",
        rf"(?i:(?:name|variable)=[\w.-]*{_NAME}[^\n]*[\]:]|(?:variable|output)[ \t]+\"[\w.-]*{_NAME}\")",
        rf"(?i:identified{_BLANKS}(?:with|by)|password{_BLANKS}(?:[\"']|for{_BLANKS}\S+[^!-~\n]*=)|password[^!-~\n]*=?[^!-~\n]*password[^!-~\n]*\()",
    )
)


_STATES_BYTES: Final = 24 << 20
"""Room for the states of all rules at once. With RE2's own 8 MB it builds them again and again: six times the cost of a line."""


def compiled(expression: str) -> Any:
    """The expression for RE2, to search bytes with."""
    return re2.compile(expression.encode(), _options())


def all_of(expressions: Sequence[str]) -> Any:
    """The expressions for RE2 together: `Match` says the numbers of those that a text matches, or none at all where their states have no room."""
    together = re2.Set.SearchSet(_options())
    for expression in expressions:
        together.Add(expression)
    together.Compile()
    return together


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _STATES_BYTES
    options.log_errors = False  # it would write to standard error, at each line, where all this were not enough
    return options


def needed_text(pattern: str) -> str:  # noqa: C901 - one rule a kind of character
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

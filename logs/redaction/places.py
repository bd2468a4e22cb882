"""Secrets that stand at a place of a line: of a protocol, of a configuration file, of a file of accounts, of a sentence that gives one."""

import base64
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from logs.redaction import suspects
from logs.redaction.late import late
from logs.redaction.values import HIDDEN, LOOKS_SECRET, is_secret, is_small_number

Test = Callable[[str], bool]

_B: Final = r"[ \t]"
_WORD: Final = r"[^\s\"'`<>]{1,256}"
_END: Final = r"(?=[\"'\\;]|[ \t]*(?:\r?\n|\Z))"
_MIXED: Final = late(r"(?=.*[^A-Za-z.,:()])")
_TEST_FILE: Final = late(r".*(?:/|\.(?:test|spec)\b|::)|[Tt]est(?:[_A-Z0-9]|$)")
_TOKENS: Final = ("TlRMTVNT", "YII")
"""How a message of NTLM and of Kerberos begins in base64."""


def _any(value: str) -> bool:
    return is_secret(value, "strong", sure=True) and not is_small_number(value)


def _mixed(value: str) -> bool:
    """Not a word of a sentence."""
    return _any(value) and bool(_MIXED.match(value)) and "=" not in value[:-2]


def _login(value: str) -> bool:
    """Base64 of a login, or of a token for one."""
    if value.startswith(_TOKENS):
        return True
    try:
        inner = base64.b64decode(value, validate=True).decode()
    except ValueError:
        return False
    return inner.replace("\0", "").replace("\1", "").isprintable()


def _typed(value: str) -> bool:
    """What was typed behind PASS; the name of a test follows the same word."""
    return _any(value) and not _TEST_FILE.match(value)


def _made(value: str) -> bool:
    """A password that a program made up."""
    return bool(LOOKS_SECRET.match(value)) or (_mixed(value) and value[-1] not in ".,!?" and "/" not in value)


def _new(value: str) -> bool:
    """What a secret was set to, and not where it was sent."""
    return _made(value) and bool(_DIGIT.search(value)) and not _ADDRESS.match(value)


def _cell(value: str) -> bool:
    """What stands in a table beside its name, and not a type or the name of another column."""
    return is_secret(value, "weak", sure=True) and not _TYPE.fullmatch(value)


_TYPE: Final = late(r"[a-z_]+\d{1,3}|[A-Z_]+\d{1,3}")
_DIGIT: Final = late(r"\d.*[A-Za-z]|[A-Za-z].*\d")
_ADDRESS: Final = late(r".*[@:]|(?:\d{1,3}\.){3}|[\w.-]*/|[\w-]+(?:\.[\w-]+)+\Z|\d{4}-\d\d")


_PLACES: Final[tuple[tuple[str, str, Test], ...]] = (
    # mail, files, Redis
    (
        r"\bAUTH(?:ENTICATE)?[ \t]+[A-Z][A-Z0-9-]+[ \t]",
        rf"\bAUTH(?:ENTICATE)?{_B}+(?:PLAIN|LOGIN|XOAUTH2|OAUTHBEARER|CRAM-MD5|NTLM|GSSAPI|SCRAM-SHA-\d+){_B}+(?P<value>[A-Za-z0-9+/]{{4,}}={{0,2}})(?![\w=])",
        _login,
    ),
    (
        r"[A-Za-z][0-9]+[ \t]LOGIN[ \t]",
        rf"(?<![\w.])[A-Za-z]{{1,4}}\d{{1,6}}{_B}LOGIN{_B}(?:\"[^\"\s]+\"|[^\s\"]+){_B}\"?(?P<value>{_WORD}){_END}",
        _any,
    ),
    (
        r"(?:[<>\"'}]|-|C:)[ \t]*PASS[ \t]|\bUSER[ \t]+\S+[\r]?\nPASS[ \t]",
        rf"(?:[<>]{_B}?|\}}{_B}?|\bC:{_B}?|[\"']|-{{2,}}{_B}|\bUSER{_B}+\S{{1,100}}\r?\n)PASS{_B}+(?P<value>{_WORD}){_END}",
        _typed,
    ),
    (
        r"(?:SETUSER|setuser)[ \t]|user[ \t]+[^\s]+[ \t]+(?:on|off|reset)\b",
        rf"(?:\b(?:SETUSER|setuser){_B}+\S+|^{_B}*user{_B}+\S+{_B}+(?:on|off|reset)\b)(?:{_B}+[^\s>]\S*){{0,20}}?{_B}+[>#](?P<value>\S+)",
        _any,
    ),
    # configuration
    (
        r"(?:requirepass|masterauth|primaryauth|auth-pass|bindpw|rootpw|(?:ro|rw)community6?|insecure-password)[\"']?[ \t]",
        rf"(?:^|[\s\"'])(?:requirepass|masterauth|primaryauth|auth-pass{_B}+\S+|bindpw|rootpw|(?:ro|rw)community6?|insecure-password)[\"']?{_B}+[\"']?(?P<value>{_WORD})",
        _any,
    ),
    (
        (r"(?:snmp-server|snmp[ \t]+community|(?:tacacs|radius)-server|isakmp[ \t]+key|pre-shared-key|key-string|authentication-key|message-digest-key|stats[ \t]+auth)[ \t]"
        r"|(?:enable|username[ \t][^\n]*|neighbor[ \t]+[^\s]+)[ \t]+(?:password|secret)[ \t]|login[ \t]+[^\s]+[ \t]+password[ \t]"),
        (r"\b(?:snmp-server[ \t]+(?:community|host[ \t]+\S+(?:[ \t]+version[ \t]+\S+)?)|set[ \t]+snmp[ \t]+community|(?:tacacs|radius)-server[ \t]+(?:host[ \t]+\S+[ \t]+)?key"
        r"|isakmp[ \t]+key|pre-shared-key(?:[ \t]+(?:local|remote|ascii-text|hexadecimal))?|key-string|authentication-key(?:[ \t]+(?:\d+[ \t]+)?md5)?|message-digest-key[ \t]+\d+[ \t]+md5"
        r"|(?:enable|username[ \t]+\S+(?:[ \t]+privilege[ \t]+\d+)?|neighbor[ \t]+\S+)[ \t]+(?:password|secret)|(?:machine[ \t]+\S+|default)[ \t]+login[ \t]+\S+[ \t]+password"
        rf"|stats[ \t]+auth[ \t]+[^\s:]+:)(?:[ \t]+\d{{1,2}}(?=[ \t]+\S))?[ \t]*[\"']?(?<=[\s\"':])(?P<value>{_WORD})"),
        _any,
    ),
    (
        r"[._-](?:password|passwd|passphrase|secret|pwd|psk|wep-key[0-3])[ \t]+[^\s]",
        rf"(?:^{_B}*(?:set{_B}+)?|\bnmcli{_B}[^\n]{{0,200}}?{_B})[\w.-]*[._-](?:password|passwd|passphrase|secret|pwd|psk|wep-key[0-3]){_B}+[\"']?(?P<value>{_WORD})[\"']?;?{_B}*$",
        _mixed,
    ),
    (r"(?:PSK|EAP|XAUTH)[ \t]+\"", r"\b(?:PSK|EAP|XAUTH)[ \t]+\"(?P<value>[^\"\n]+)\"", _any),
    (r"com2sec[ \t]", rf"\bcom2sec(?:{_B}+-\S+)?{_B}+\S+{_B}+\S+{_B}+(?P<value>{_WORD})", _any),
    (r"createUser[ \t]", rf"\bcreateUser{_B}+\S+{_B}+(?:MD5|SHA)\S*{_B}+\"?(?P<value>{_WORD})", _any),
    (r"\b(?:AES|DES)[ \t]+\"", r"\b(?:AES|DES)[ \t]+\"(?P<value>[^\"\n]{8,})\"", _any),
    (r"[ \t]\*[ \t]+\S+[ \t]+\*", rf"^[A-Za-z\"]\S*{_B}+\*{_B}+\"?(?P<value>{_WORD})\"?{_B}+\*[ \t]*$", _mixed),
    # calls with a user and a secret, keys of a database, keys in JSON
    (
        r"(?:sp_addlogin|sp_password|\.auth|[Pp]assword|bind(?:_s)?|login|BasicAuth|auth=|crypt)[ \t]*\(?[ \t]*[nN]?[\"']",
        (r"(?:\bsp_(?:addlogin|password)[ \t]+|\b(?:db\.auth|changeUserPassword|simple_bind(?:_s)?|\w*[bB]asic_?[aA]uth|pgp_sym_(?:en|de)crypt)\([ \t]*|[.\]]login\([ \t]*|\bauth=\([ \t]*)"
        r"[nN]?(?:\"[^\"\n]*\"|'[^'\n]*'),[ \t]*[nN]?[\"'](?P<value>[^\"'\n]+)[\"']"),
        _any,
    ),
    (r"(?i:pragma[ \t]+(?:re)?key|attach[ \t][^\n]*\bkey)\b", r"(?i:\bpragma[ \t]+(?:re)?key[ \t]*=[ \t]*|\battach[ \t][^\n]{1,200}?\bkey[ \t]+)[\"'](?P<value>[^\"'\n]+)[\"']", _any),
    (r"\"kty\"", r"(?<=[{,\s])\"(?:d|k|p|q|dp|dq|qi)\":[ \t]*\"(?P<value>[\w-]{16,})\"", _any),
    (r"(?i:identified[ \t]+by[ \t][^\n]*replace[ \t])", r"(?i:\bidentified[ \t]+by[ \t]+\S+[^\n]{0,80}?[ \t]replace[ \t]+)\"?(?P<value>[^\s\";]+)", _any),
    (r"\"(?i:auth)\"[ \t]+\"", r"\"(?i:auth)\"[ \t]+(?:\"[^\"\n]*\"[ \t]+)?\"(?P<value>[^\"\n]+)\"", _any),
    (r":[0-9]+>[ \t]*(?i:auth)[ \t]|(?:\A|\n)AUTH[ \t]", rf"(?::\d+>{_B}*(?i:auth)|^AUTH){_B}+(?:\S+{_B}+)?(?P<value>{_WORD}){_B}*$", _mixed),
    (r"AWS[ \t]AKIA", r"\bAWS[ \t]AKIA[\w*]{3,20}:(?P<value>[A-Za-z0-9+/=]{16,})", _any),
    (r"(?i:(?:unseal|recovery)[ \t]key[ \t][0-9])", r"(?i:\b(?:unseal|recovery)[ \t]key[ \t]\d{1,2}:[ \t]+)(?P<value>\S{8,})", _any),
    (r"(?i:(?:key|token|secret)[ \t]is:?[ \t])", r"(?i:\b(?:api|access|secret|auth)[ \t](?:key|token)[ \t]is:?[ \t]+)[\"']?(?P<value>[^\s\"']{6,})", _made),
    # accounts: ~/.pgpass, logins of Go's driver for MySQL and of Oracle
    (r":(?:\*|[56]43[0-9]):", rf"^{_B}*[\w.*-]+:(?:\*|[56]43\d):[^\s:]+:[^\s:]+:(?P<value>[^\s:]+)$", _any),
    (r"@(?:tcp6?|unix|udp)\(", r"(?<![\w.@/:-])[\w.$-]{1,64}:(?P<value>[^\s@/\"']{1,128})(?=@(?:tcp6?|unix|udp)\()", _any),
    (r"(?i:oracle[:+])|/[^\s/@\"']+@(?://|[\w.-]+:\d+[/:])", r"(?:jdbc:oracle:\w+:|\boracle(?:\+\w+)?://)[\w$#]{1,30}/(?P<value>[^\s/@\"']{1,128})(?=@)", _any),
    (
        r"/[^\s/@\"']+@(?://|[\w.-]+:\d+[/:])",
        r"(?<![\w./:@-])[\w$#]{1,30}/(?P<value>[^\s/@\"':]{1,128})(?=@(?://\w|[\w.-]{1,100}:\d{2,5}[/:]\w))",
        _any,
    ),
    # what a server of mail asks for, an answer in base64 on the next line
    (
        r"334[ \t](?:UGFzc3dvcmQ|cGFzc3dvcmQ)",
        r"\b334[ \t](?:UGFzc3dvcmQ|cGFzc3dvcmQ)\S{0,8}\s*\r?\n(?:[^\n]{0,120}?[>:\]][ \t]*)?b?[\"']?(?P<value>[A-Za-z0-9+/]{4,}={0,2})(?=[\"'\\]|\s*$)",
        _any,
    ),
    # calls with an address, a user and a secret; codes for wireless networks; options with parts
    (
        r"(?:PDO->__construct|mysqli?(?:_p?connect|_real_connect|->__construct)|(?:ftp|imap|ssh2?|ldap)_(?:login|open|bind|auth_password))\(",
        r"\b(?:PDO->__construct|mysqli?(?:_p?connect|_real_connect|->__construct)|(?:ftp|imap|ssh2?|ldap)_(?:login|open|bind|auth_password))\([ \t]*(?:'[^'\n]*'|[^,'\"\n]{1,80}),[ \t]*'[^'\n]*',[ \t]*'(?P<value>[^'\n]+)'",
        _any,
    ),
    (r"WIFI:[STPH]:", r"\bWIFI:(?:[STH]:[^;\n]*;){0,3}P:(?P<value>[^;\n]+)", _any),
    (r"secret,[^\s]*data=", r"\bsecret,(?:[\w-]+=[^\s,]*,){0,6}data=(?P<value>[^\s,\"']+)", _any),
    (r"open[ \t][^\n]*-u[ \t]*[^\s,]+,", r"\bopen[ \t][^\n;]{0,80}?(?<=\s)-u[ \t]*[\"']?[^\s,\"']+,(?P<value>[^\s,;\"']+)", _any),
    (r"(?:::add-mask::|##\[add-mask\]|issecret=true[^\]\n]*\])", r"(?:::add-mask::|##\[add-mask\]|##vso\[task\.setvariable[ \t][^\]\n]*issecret=true[^\]\n]*\])(?P<value>\S[^\n]*)", _any),
    (
        r"(?i:(?:mnemonic|seed|recovery)[^\n:=]{0,20}[:=][^\n]*[ ,])",
        r"(?i:\b(?:mnemonic|seed|recovery)(?:[ _-]?(?:phrase|words?))?[\"']?[ \t]*[:=][ \t]*)[\"']?(?P<value>(?:[a-z]{3,8}[ \t,]+){11,23}[a-z]{3,8})\b",
        _any,
    ),
    # calls of programs with a secret, as a traceback or a dump of a configuration shows them
    (
        r"\bdefine\(|(?:[pP]ass(?:word|wd|phrase)|[sS]ecret|[aA]pi_?[kK]ey|[aA]uth_?[tT]oken)\([ \t]*[\"']|NetworkCredential\(|getConnection\(",
        (r"(?:\bdefine\([ \t]*[\"'][\w.-]*(?:PASSWORD|PASS|SECRET|KEY|SALT|TOKEN)[\"'],[ \t]*|(?:[sS]et|\.)_?(?:[pP]ass(?:word|wd|phrase)|[sS]ecret|[aA]pi_?[kK]ey|[aA]uth_?[tT]oken)\([ \t]*"
        r"|\b(?:NetworkCredential\(|getConnection\([^()\n]{1,120}?,)[ \t]*\"[^\"\n]*\",[ \t]*)[\"'](?P<value>[^\s\"']+)(?=[\"'][ \t]*\))"),
        _any,
    ),
    (
        r"(?i:password[^\n\"']*[\"'])",
        r"(?i:\bpassword[^\n\"']{0,40}[ \t]from[ \t]+)[\"'](?P<value>[^\s\"']+)[\"']",
        _any,
    ),
    (
        r"(?i:password[^\n\"']*[\"'])",
        r"(?i:\bpassword[^\n\"']{0,40}[ \t]from[ \t]+)[\"'][^\s\"']+[\"'][ \t]+to[ \t]+[\"'](?P<value>[^\s\"']+)[\"']",
        _any,
    ),
    (
        r"(?i:[ \t,/;]pass(?:word)?[ \t]+[^\s]*[0-9])",
        r"(?i:\buser(?:name)?[ \t:=]+\S{1,64}?[ \t]*[,/;]?[ \t]*(?:and[ \t]+)?\bpass(?:word)?[ \t]+)[\"']?(?P<value>[^\s\"']{5,128})",
        _new,
    ),
    # lines of a session with its peer before them, accounts of Postfix
    (
        r"[ \t<>-]PASS[ \t]",
        rf"(?:(?i:\b\w*ftpd?|\bpop3|\bircd?|\bnntp)\b|\d\.\d{{1,3}}\.)[^\n]{{0,120}}?[\]>:]{_B}(?:(?:<-|->|<|>|<<<?|>>>?){_B}?)?PASS{_B}+:?(?P<value>{_WORD}){_END}",
        _typed,
    ),
    (r"\]:[0-9]+[ \t]+[^\s:]+:[^\s]", rf"^{_B}*\[[\w-]+(?:\.[\w-]+)+\]:\d{{2,5}}{_B}+[^\s:]+:(?P<value>{_WORD}){_B}*$", _mixed),
    # dots or an arrow from the name to the value, a row of a table, the last part of where a stream goes
    (
        r"(?i:pass(?:word|wd|phrase|code)?|secret|token|key)[ \t]*(?:\.\.\.\.|[ \t]?\.[ \t]\.|____|---|===)",
        r"(?i:\b(?:[\w-]*pass(?:word|wd|phrase|code)?|[\w-]*secret|[\w-]*token|(?:api|access|secret|private|shared)[ _-]?key))[ \t]*(?:\.{4,}|(?:[ \t]\.){3,}|_{4,}|-{3,}>|={3,}>)[ \t.]*[:=]?[ \t]*(?P<value>[^\s\"'`<>]{4,256})[ \t]*$",
        _mixed,
    ),
    (
        r"(?i:pass(?:word|wd|phrase)?|secret|token|key|psk|pwd)[ \t]*[|│]",
        r"[|│][ \t]*(?i:[\w.-]*(?:pass(?:word|wd|phrase)?|secret|token|api_?key|access_?key|secret_?key|psk|pwd))[ \t]*[|│][ \t]*(?P<value>[^\s|│]{6,256})[ \t]*[|│]",
        _cell,
    ),
    (r"rtmps?://", r"\brtmps?://[^\s/]+/(?:[\w.-]+/)+(?P<value>[\w-]{16,})", _new),
    # sentences
    (
        r"(?i:code[^\n]{0,12}[:s][ \t]+[0-9]{4})|[0-9]{4,8}[ \t]+is[ \t]+your[ \t]",
        r"(?i:\b(?:verification|login|log-?in|sign-?in|security|one-?time|otp|2fa|mfa|authentication|confirmation)[ \t](?:pass)?code(?:[ \t]is)?:?[ \t]+)(?P<value>\d{4,8})\b",
        bool,
    ),
    (r"[0-9]{4,8}[ \t]+is[ \t]+your[ \t]", r"(?<![\w.])(?:[A-Z]-)?(?P<value>\d{4,8})[ \t]+is[ \t]+your[ \t][\w ]{0,40}(?:code|password)", bool),
    (
        r"(?i:password[^\n]*:[ \t])",
        r"(?i:\b(?:temporary|auto-?generated|generated|initial|default|random|following|one-time|admin|root|your|new)\b[^\n:=]{0,40}?\bpassword\b[^\n:=]{0,80}?:[ \t]+)(?P<value>\S{4,128})[ \t]*$",
        _made,
    ),
    (
        r"(?i:(?:password|passwd|passphrase|secret|token|api[ _-]?key)[\"']?(?:[ \t][a-z]+)?(?:[ \t](?:re)?(?:set|changed|updated|rotated))?[ \t]to[ \t])",
        (r"(?i:(?:\b[\w.-]{0,40}(?:password|passwd|passphrase|secret|token|api[ _-]?key)[\"']?(?:[ \t]\w{2,12}){0,2}?[ \t](?:re)?(?:set|changed|updated|rotated)"
        r"|\b(?:re)?(?:set|setting|change|changing|update|updating)\b[^\n]{0,40}?[ \t\"'][\w.-]{0,40}(?:password|passwd|passphrase|secret|token|api[ _-]?key)[\"']?)[ \t]to[ \t]+)[\"']?(?P<value>[^\s\"']{6,128})(?=[\"'\s]|$)"),
        _new,
    ),
    (
        r"(?i:password[ \t][^\n\"']*[\"'])",
        r"(?i:\bpassword[ \t](?:(?:is|was|has|been|now|set|changed|reset|updated)[ \t]){1,4}(?:to[ \t])?)[\"'](?P<value>[^\s\"']+)[\"']",
        _any,
    ),
)  # fmt: skip
"""Where one may stand, for RE2; where it stands; and what makes it one."""
_ACCOUNTS: Final = late(
    r"\bchpasswd[\"']?:[ \t]*\r?\n(?:[ \t]+expire:[^\n]*\n)?[ \t]+list:[ \t]*(?:[|>][+-]?)?[ \t]*\r?\n(?:[ \t]+(?:-[ \t]+)?[\"']?[\w.-]+:[^\s]+[ \t]*(?:\r?\n|\Z))+"
)
"""The accounts that cloud-init sets, one a line."""
_ACCOUNT: Final = late(r"(?m)^([ \t]+(?:-[ \t]+)?[\"']?(?!list:|expire:)[\w.-]+:)(?!(?:RANDOM|R)\b)[^\s\"']+")
SUSPECT: Final = "|".join((r"chpasswd[\"']?:", *(suspect for suspect, _, _ in _PLACES)))
_FOUND: Final = tuple((late(found, re.MULTILINE), test) for _, found, test in _PLACES)


@cache
def _asked() -> Any:
    return suspects.all_of([suspect for suspect, _, _ in _PLACES])


def hide_places(text: str) -> str:
    """The text with these secrets hidden. Only the rules look at it whose suspects it matches; all of them, where so many states had no room."""
    asked = _asked().Match(text.encode("utf-8", "surrogatepass"))
    for number in sorted(asked) if asked else range(len(_FOUND)):
        found, test = _FOUND[number]
        text = found.sub(partial(_hidden, test), text)
    return _ACCOUNTS.sub(lambda match: _ACCOUNT.sub(rf"\g<1>{HIDDEN}", match[0]), text)


def _hidden(test: Test, match: re.Match[str]) -> str:
    if not test(match["value"]):
        return match[0]
    start, end = (at - match.start() for at in match.span("value"))
    return match[0][:start] + HIDDEN + match[0][end:]

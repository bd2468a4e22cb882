"""What counts as a secret: the forms of known ones, the names others stand behind, and what only looks like one.

`monitor.masking` applies these rules, in the order in which they stand here.
"""

import re
from typing import Final

HIDDEN: Final = "***"

MARKS: Final = (
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

FAMILIES: Final = (
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
FAMILY: Final = re.compile("|".join(FAMILIES))

PEM_HEAD: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY-----")
PEM_TAIL: Final = re.compile(r"-----END [A-Z0-9 ]{0,32}PRIVATE KEY-----")
URL: Final = re.compile(
    r"(?P<head>\b[A-Za-z][A-Za-z0-9+.-]{0,30}://(?P<user>[^\s/?#:@\"'<>]{0,256}):)[^\s/?#\"'<>]{1,512}@(?=[^\s@])"
)
URL_LONE: Final = re.compile(r"(?P<head>\bhttps?://)(?P<user>[A-Za-z0-9_-]{20,256})@(?=[^\s@])")
AUTH: Final = re.compile(
    r"(?P<head>\b(?:proxy-)?authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:(?:bearer|basic|token|digest|apikey|negotiate)\s{1,4})?+|\bbearer\s{1,4})"
    r"(?P<value>[A-Za-z0-9+/=_.~:-]{6,})",
    re.IGNORECASE,
)
COOKIE: Final = re.compile(
    r"(?P<head>\b(?:set-)?cookie[\"']?:\s{0,4}+)(?!\*\*\*)(?P<value>[^\r\n\"']{4,})", re.IGNORECASE
)

STRONG: Final = (
    r"pass(?:word|wd|phrase|code)|pwd|client[_-]?secret|secret[_-]?key|secret[_-]?access[_-]?key"
    r"|api[_-]?key|apikey|access[_-]?key|private[_-]?key|auth[_-]?key|signing[_-]?key|encryption[_-]?key|account[_-]?key"
    r"|shared[_-]?key|credentials?"
)
WEAK: Final = r"secret|token|session[_-]?id|sessionid|auth"
# A name may be part of a longer one in front (AWS_SECRET_ACCESS_KEY, db.password), never behind (max_tokens, password_file).
PAIR: Final = re.compile(
    r"(?P<head>(?:(?P<strong>" + STRONG + r")|(?P<weak>" + WEAK + r"))"
    r"(?P<sep>[\"']?(?:\s{0,2}=\s{0,2}|\s{0,2}:\s{0,4})))"
    r"(?P<value>\"(?:[^\"\\\r\n]|\\.){1,4096}\"|'[^'\r\n]{1,4096}'|[^\s\"',;&|)}\]<>(){\[]{1,4096})",
    re.IGNORECASE,
)
ENDINGS: Final = (
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
SEPARATED: Final = re.compile(r"s?[\"']?\s{0,2}[:=]")
"""What stands behind the name of a pair."""
CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
"""A set of characters in a regular expression."""
GAP: Final = r"[^!-~]"
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
        rf"(?i:authorization[\"']?{GAP}{{0,4}}[:=]|bearer{GAP}|cookie[\"']?:)",
        rf"(?i:(?:{STRONG}|{WEAK})[\"']?{GAP}{{0,2}}[:=])",
    )
)
"""An expression for RE2 that every line with a secret matches, and few others do: a whole block of lines is asked at once."""
LOOKS_SECRET: Final = re.compile(
    r"(?=.{8,})(?=[^0-9]*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_.~!@#$%^*:-]+\Z|[0-9a-f]{16,}\Z|[A-Za-z0-9+/=_-]{20,}\Z"
)
PLAIN_VALUES: Final = frozenset(
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
MASKED: Final = re.compile(
    r"(?:sk-(?:proj-|ant-|or-|svcacct-|admin-)?|[sr]k_live_|hf_|gsk_|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|xapp-"
    r"|AKIA|ASIA|AIza|ya29\.|npm_|pypi-|dop_v1_|eyJ)?\*\*\*\Z"
)

FLAG: Final = re.compile(
    r"--?(?:[a-z0-9]+[_-])*(?:" + STRONG + r"|secret|token|auth[_-]?token|bearer|pw|pass)", re.IGNORECASE
)
SHORT_FLAGS: Final = {
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
GLUED_ONLY: Final = frozenset(
    {"mysql", "mysqldump", "mysqladmin", "mysqlimport", "mariadb", "mariadb-dump", "mariadb-admin", "7z", "7za"}
)
"""Here the value is glued to the flag (`-pX`); a lone `-p` asks for it, and the next word is something else."""
USER_FLAGS: Final = {
    "curl": ("-u", "--user", "-U", "--proxy-user"),
    "wget": (),
    "smbclient": ("-U", "--user"),
    "http": ("-a", "--auth"),
}
PORTS: Final = frozenset({"docker", "podman"})
"""`-p` is a password only behind `login`; elsewhere it publishes a port."""

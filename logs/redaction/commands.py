"""Command lines: which program takes its secret behind which option, in a list of words or anywhere in a text."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from logs.redaction.forms import is_option_secret
from logs.redaction.names import kind_of, words
from logs.redaction.values import HIDDEN, is_masked

Hide = Callable[[str], str]


class Grammar(NamedTuple):
    """The options of a program.

    Attributes:
        secret: options whose next word is a secret. A short one may have it glued on.
        glued: short options whose secret is always glued on: `-pX`.
        login: options with `user:secret`; a short one may have it glued on.
        pairs: options whose next word is `name=secret`.
        only: without this word, the short options mean something else.
    """

    secret: tuple[str, ...] = ()
    glued: tuple[str, ...] = ()
    login: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    only: str = ""


_MYSQL: Final = Grammar(glued=("-p",))
_MONGO: Final = Grammar(secret=("-p",))
_LOGIN: Final = Grammar(secret=("-p",), only="login")
PROGRAMS: Final[dict[str, Grammar]] = {
    **dict.fromkeys(
        words(
            "mysql mysqldump mysqladmin mysqlimport mysqlshow mysqlcheck mysqlbinlog mysqlpump mysqlslap mariadb mariadb-dump mariadb-admin"
            " mariadb-import mariadb-backup xtrabackup innobackupex mydumper"
        ),
        _MYSQL,
    ),
    **dict.fromkeys(
        words(
            "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop sshpass mysqlsh cqlsh cypher-shell twine"
            " jboss-cli.sh asadmin rdesktop tabcmd usermod useradd vncdo"
        ),
        _MONGO,
    ),
    **dict.fromkeys(words("docker podman nerdctl buildah skopeo helm oras crane az oc gcloud cf ibmcloud"), _LOGIN),
    "redis-cli": Grammar(secret=("-a", "--pass")),
    "valkey-cli": Grammar(secret=("-a", "--pass")),
    **dict.fromkeys(
        words("ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldappasswd ldapcompare"),
        Grammar(secret=("-w", "-s")),
    ),
    **dict.fromkeys(words("sqlcmd bcp isql tsql osql"), Grammar(secret=("-P",))),
    **dict.fromkeys(
        words("zip unzip zipcloak ipmitool mosquitto_pub mosquitto_sub mosquitto_rr ncftp ncftpget ncftpput"),
        Grammar(secret=("-P",)),
    ),
    **dict.fromkeys(words("plink pscp psftp"), Grammar(secret=("-pw",))),
    **dict.fromkeys(words("7z 7za 7zr 7zz rar unrar"), Grammar(glued=("-p", "-hp"))),
    **dict.fromkeys(
        words("snmpget snmpwalk snmpset snmpbulkwalk snmptrap snmpgetnext"), Grammar(secret=("-A", "-X", "-c"))
    ),
    "openssl": Grammar(secret=("-k", "-K")),
    "racadm": Grammar(secret=("-p",)),
    "beeline": Grammar(secret=("-p",)),
    "curl": Grammar(
        login=("-u", "--user", "-U", "--proxy-user"),
        pairs=("-b", "--cookie"),
        secret=("--oauth2-bearer", "--pass", "--proxy-pass"),
    ),
    "http": Grammar(login=("-a", "--auth")),
    "https": Grammar(login=("-a", "--auth")),
    "xh": Grammar(login=("-a", "--auth")),
    "smbclient": Grammar(login=("-U", "--user")),
    "rpcclient": Grammar(login=("-U", "--user")),
    **dict.fromkeys(words("net xfreerdp xfreerdp3 wlfreerdp mstsc"), Grammar(login=("-U",))),
    "lftp": Grammar(login=("-u", "--user")),
    "etcdctl": Grammar(login=("--user",)),
    "ab": Grammar(login=("-A", "-P")),
    "influx": Grammar(secret=("-t",)),
}
"""Programs by name. Options that are written out, such as `--password`, are known by their names whatever the program."""
_LOGIN_MARK: Final = re.compile(r"[:%,]")
_OWN: Final = re.compile(r"(?:pass|pw):(?=.)|/(?:p|password|pass|gp):(?=.)")
"""`-passin pass:X` of openssl, `/p:X` of xfreerdp and net use."""
_TOGETHER: Final = re.compile(r"-[A-Za-z]{2,8}")
"""Short options in one word: `curl -su ann:secret`."""
_STARTS: Final = re.compile(
    r"(?<![\w.-])(?:"
    + "|".join(sorted((re.escape(name) for name in PROGRAMS), key=len, reverse=True))
    + r")(?:\.exe)?(?:\\?[\"'](?=[\s,])|(?=\s))"
)
_TOKEN: Final = re.compile(
    r"\\?\"(?P<double>(?:[^\"\\]|\\[^\"])*+)\\?\"|'(?P<single>[^']*+)'|(?P<bare>[^\s\"']++)|(?P<rest>[\"'])"
)
_ENDS: Final = frozenset({"|", "||", "&&", ";", "&", ">", ">>", "<"})
_GLUED: Final = 3
"""The longest option that has a value glued on: `-hpX`."""
_MOST_WORDS: Final = 60


def hide_words(words: Sequence[str]) -> list[str]:
    """The words of a command line with secrets hidden. A program may start others: `sudo`, `env`, `docker exec`."""
    shown, grammar, hide = list(words), Grammar(), None
    rest = set(words)
    for index, word in enumerate(words):
        if hide is not None:
            shown[index], hide = hide(word), None
            continue
        found = PROGRAMS.get(_program(word)) if not word.startswith("-") else None
        if found is not None:
            grammar = found if not found.only or found.only in rest else Grammar()
            continue
        if index:
            shown[index], hide = _shown(word, grammar)
    return shown


def hide_commands(text: str) -> str:
    """The text with the secrets of command lines in it hidden."""
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


def _words(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where the words behind a program stand, up to the end of its command: words of a shell, or of a list in quotation marks."""
    for number, match in enumerate(_TOKEN.finditer(text, at)):
        if number > _MOST_WORDS or "\n" in text[at : match.start()]:
            return
        kind = match.lastgroup or "rest"
        word = match[kind]
        if kind == "bare":
            if word in _ENDS or word.startswith("]"):
                return
            bare = word.rstrip(";,)]")
            if bare:
                yield match.start(), match.start() + len(bare)
            if word.endswith((";", ")")):
                return
        elif kind != "rest":
            yield match.span(kind)


def _shown(word: str, grammar: Grammar) -> tuple[str, Hide | None]:  # noqa: PLR0911 - one return a kind of option
    """The word as it is shown, and what hides the next one."""
    if word in grammar.secret:
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
    """An option with its secret in one word (`-pX`, `--user=ann:X`) as it is shown; None for any other word."""
    for option in (*grammar.glued, *grammar.secret, *grammar.login):
        start = f"{option}=" if option.startswith("--") else option
        value = word.removeprefix(start)
        if not value or value == word or is_masked(value) or (start == option and len(option) > _GLUED):
            continue
        return start + (_hide_login(value) if option in grammar.login else HIDDEN)
    return None


def _hide_secret(word: str) -> str:
    return word if not word or word.startswith("--") or is_masked(word) else HIDDEN


def _hide_option(option: str, word: str) -> str:
    """The word behind `--password`; another option there means that the first one took no value."""
    if word.startswith("--"):
        return word
    own = _OWN.match(word)
    if own is not None:
        return own[0] + HIDDEN
    return HIDDEN if is_option_secret(option, word) else word


def _hide_login(word: str) -> str:
    """`user:secret`, `user%secret` or `user,secret`."""
    mark = _LOGIN_MARK.search(word)
    return word if mark is None or not word[mark.end() :] else word[: mark.end()] + HIDDEN


def _hide_pair(word: str) -> str:
    """`name=secret`."""
    name, found, value = word.partition("=")
    return f"{name}={HIDDEN}" if found and value else word

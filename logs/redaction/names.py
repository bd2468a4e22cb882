"""Which names stand before a secret: `DB_PASSWORD`, `userPass`, `api-key`; and which only sound like it: `max_tokens`, `password_file`."""

from functools import lru_cache
from typing import Final, Literal

from logs.redaction.late import late

Kind = Literal["strong", "weak", "place", "code", "none"]
"""`strong`: what follows is a secret, unless it is a plain word. `weak`: only if it looks like one. `place`: `strong`, but often a path.
`code`: `weak`, and also a number of six to eight digits.
"""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


_WORD: Final = late(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_LONGEST: Final = 120
_STRONG_ENDS: Final = (
    "password", "passwd", "passphrase", "passcode", "passwort", "kennwort", "motdepasse", "contrasena", "contraseña", "wachtwoord",
    "lösenord", "losenord", "salasana", "kodeord", "lozinka", "geslo",  "пароль", "密码", "密碼", "パスワード", "비밀번호", "hasło", "jelszó", "şifre", "parolă", "wachtwoord", "secret", "userpwd", "dbpwd", "privkey", "authkey",
    "dockerconfigjson", "dockercfg", "loginpas", "sonarlogin", "passkey", "contrasenya", "口令", "katasandi", "mậtkhẩu", "رمزالمرور", "كلمةالمرور",
)  # fmt: skip
"""How a strong name ends, written without separators."""
_STRONG_WORDS: Final = frozenset(
    {
        "senha",
        "haslo",
        "hasło",
        "heslo",
        "parola",
        "jelszo",
        "jelszó",
        "sifre",
        "şifre",
        "adgangskode",
        "passord",
        "psk",
        "mdp",
        "pw",
    }
)
KEY_OWNERS: Final = (
    "api", "access", "secret", "private", "priv", "auth", "signing", "sign", "encryption", "encrypt", "decryption", "account", "shared",
    "master", "storage", "subscription", "deploy", "service", "webhook", "app", "application", "client", "hmac", "jwt", "crypto",
    "wpa", "wep", "instrumentation", "function", "functions", "recovery", "unseal", "activation", "product", "integration", "ingest", "ingestion",
    "session", "cookie", "gateway", "merchant", "authentication", "authorization", "preshared", "license", "licence", "admin", "root", "ssh", "rsa", "server", "consumer", "cipher", "aes", "bot",
)  # fmt: skip
_PASS_OWNERS: Final = words(
    "db database redis mysql mariadb pg pgsql postgres postgresql mongo user admin root smtp imap pop mail email ftp sftp ssh http https"
    " proxy login ldap rabbitmq amqp mqtt api app auth become ansible sudo keystore store truststore key vault account service wifi wpa"
    " bind basic borg restic vnc rdp jenkins nexus git docker registry ssl tls cert ca trust client server master default my sql rpc"
    " remote oracle sqlplus svn snmp samba smb cifs web site require"
)
_STRONG: Final = (*_STRONG_ENDS, *(f"{owner}{word}" for owner in _PASS_OWNERS for word in ("pass", "pw")))
"""Also somebody's pass, and not one of several passes."""
_KEYS: Final = tuple(f"{owner}key" for owner in KEY_OWNERS)
_WEAK_ENDS: Final = (
    "token", "sessionid", "sessid", "signature", "jwt", "bearer", "codeverifier", "samlresponse", "assertion", "devicecode", "authcode",
    "authorizationcode", "aspxauth", "streamkey",
)  # fmt: skip
_WEAK_WORDS: Final = frozenset({"auth", "sid", "pass", "csrf", "xsrf", "cookie", "pat", "clave"})
_CODE_ENDS: Final = (
    "otp",
    "otpcode",
    "mfacode",
    "tfacode",
    "smscode",
    "verificationcode",
    "onetimecode",
    "securitycode",
    "authenticatorcode",
)
_ENDINGS: Final = words(
    "prod production dev development devel test testing stage staging qa uat live local old new current previous prev next backup bak"
    " main default primary secondary root admin user master slave replica ro rw read write value plain plaintext raw b64 base64 hash"
    " hashed digest encrypted enc str string text env var db sql api app web smtp redis mysql postgres confirm confirmation again repeat"
    " verify v us eu"
)
"""Words that may stand behind: `db_password_prod`, `password1`."""
_NOT: Final = words(
    "file files path dir directory folder length len size count limit limits policy reset required requirement expiry expires expired"
    " expiration age ttl name names id ids url uri field fields column prompt hint attempts attempt strength manager changed change"
    " updated update created at time date timeout status state check checker validator validation input label index format algorithm alg"
    " rotation rotate version mode enabled disabled provider source reader endpoint host rate per s ms bytes usage budget left used min"
    " max authentication history set type types kind ok error errors failure failures failed rules rule days group groups scope scopes"
    " store storage class ref reference arn engine backend helper cache bucket key keys lookup encoder stream counter encryption mechanism plugin grace lifetime lock placeholder title text message msg help description"
    " hasher hashers strategy score similarity entropy complexity protection protected feature features option options support supported"
    " regex pattern template generator auth method methods"
)
"""Words that make another thing of it: a file, a length, a type."""

_OTHER_TOKENS: Final = words(
    "eos bos pad unk stop sep cls mask eot eom special image next unexpected invalid first max prompt"
)
"""Of a language model or a parser: `pad_token`."""


@lru_cache(maxsize=8192)
def kind_of(name: str) -> Kind:
    """What a name says about the value behind it."""
    words = [word.lower() for word in _WORD.findall(name[-_LONGEST:])]
    while len(words) > 1 and (words[-1].isdigit() or words[-1] in _ENDINGS):
        words.pop()
    found = _of_words(words)
    if found != "none":
        return found
    for last in range(len(words) - 1, 0, -1):
        if words[last] in _NOT:
            return "none"
        if _of_words(words[:last]) in {"strong", "place"}:
            return "weak"
    return "none"


def _of_words(words: list[str]) -> Kind:  # noqa: PLR0911 - one return a kind
    """The kind by how the name ends."""
    if not words:
        return "none"
    last, joined = words[-1], "".join(words)
    if last == "token" and not _OTHER_TOKENS.isdisjoint(words[-3:]):
        return "none"
    if last == "token" and words[0] == "x" and len(words) > 2:
        return "strong"  # a header: `X-Auth-Token`
    if last == "pwd" or joined.endswith(("oldpwd", "cwd")):
        return "place" if joined in {"pwd", "oldpwd", "cwd"} else "strong"
    if last in {"credential", "credentials"} or joined.endswith(_KEYS):
        return "place"
    if last in _STRONG_WORDS or joined.endswith(_STRONG):
        return "strong"
    if last in {"otp", "totp", "hotp"} or joined.endswith(_CODE_ENDS):
        return "code"
    if joined.endswith(_WEAK_ENDS) or last in _WEAK_WORDS:
        return "weak"
    return "none"

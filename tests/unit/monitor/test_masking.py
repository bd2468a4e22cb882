"""Secrets are hidden; ordinary text is not."""

import base64
import string

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from logs.redaction.line_mask import mask_of
from logs.redaction.masker import HIDDEN, SUSPECT, Masker, hide

MASKER = Masker()
WORD = st.text(string.ascii_letters + string.digits, min_size=24, max_size=40).filter(
    lambda text: any(one.isdigit() for one in text) and any(one.isalpha() for one in text)
)
HEX = st.text("0123456789abcdef", min_size=40, max_size=40)
UPPER = st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16)
FAMILIES = {
    "openai": ("sk-proj-{}", WORD),
    "anthropic": ("sk-ant-{}", WORD),
    "plain sk": ("sk-{}", WORD),
    "hugging face": ("hf_{}", WORD),
    "watchkeeper's gateway": ("wk-{}", st.text(string.ascii_letters + string.digits + "-_", min_size=43, max_size=43)),
    "groq": ("gsk_{}", WORD),
    "github": ("ghp_{}", WORD),
    "github fine": ("github_pat_{}", WORD),
    "gitlab": ("glpat-{}", WORD),
    "slack": ("xoxb-{}", WORD),
    "aws id": ("AKIA{}", UPPER),
    "google": ("AIza{}", HEX),
    "npm": ("npm_{}", HEX),
    "pypi": ("pypi-{}", HEX),
    "stripe": ("sk_live_{}", WORD),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJ{}.abcDEF123", WORD),
    "password": ("password={}", WORD),
    "json": ('{{"password": "{}"}}', WORD),
    "yaml": ("api_key: {}", WORD),
    "environment": ("MY_SERVICE_SECRET_KEY={}", WORD),
    "aws secret": ("AWS_SECRET_ACCESS_KEY={}", WORD),
    "token": ("token={}", WORD),
    "hf environment": ("HF_TOKEN={}", WORD),
    "header": ("Authorization: Bearer {}", WORD),
    "json header": ('"authorization": "Bearer {}"', WORD),
    "basic": ("authorization: Basic {}", WORD),
    "cookie": ("Cookie: session={}; theme=dark", WORD),
    "url": ("postgres://ann:{}@db.example:5432/x", WORD),
    "redis url": ("redis://:{}@cache/0", WORD),
    "url token": ("https://{}@github.com/x/y.git", WORD),
    "query": ("GET /v1/x?user=ann&access_token={}&page=2", WORD),
    "pem": ("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----", WORD),
}
ORDINARY = [
    "2026-11-23 01:02:03,456 INFO worker.py:123 processed batch 17 in 0.123 s",
    "generated 512 tokens in 3.2 s (160 tokens/s), max_tokens=512, n_tokens: 33",
    "eos_token=</s> pad_token=<pad> bos_token_id=1 tokenizer=LlamaTokenizerFast",
    "invalid token: unexpected end of input",
    "login failed for ann: wrong password",
    "password: must be at least 12 characters",
    "password_file=/etc/app/pw secret_name=db token_count=5",
    "key=value keyword: 5 monkey: 3 primary_key=id",
    "bearer of bad news; author: Ann; authentication: failed",
    "GET http://a.example:80/x?page=2 200 1234",
    "task-1234567890123456789 disk-abcdefabcdefabcdefabcd risk-free",
    "mail to ann@example.com about http://example.com",
    "compass: north, passage: 3, bypass=1",
    "loaded model.safetensors key model.layers.0.self_attn.q_proj.weight",
    "",
]


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_secrets_of_each_family_are_gone(family: str, data: st.DataObject) -> None:
    """Nothing of the secret is left, what stands around it is, and masking again changes nothing."""
    form, values = FAMILIES[family]
    secret = data.draw(values)
    masked = MASKER.mask_text(f"start {form.format(secret)} end")
    assert secret not in masked
    assert HIDDEN in masked
    assert masked.startswith("start ")
    assert family == "cookie" or masked.endswith(" end")
    assert MASKER.mask_text(masked) == masked


SUSPECTED = re2.compile(SUSPECT)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_every_secret_is_suspected(family: str, data: st.DataObject) -> None:
    """Each line of a text in which something is hidden matches the expression for suspects."""
    form, values = FAMILIES[family]
    text = form.format(data.draw(values))
    assert SUSPECTED.search(text)


def test_lines_about_logging_in_are_not_suspected() -> None:
    """Lines of a login service that only speak of passwords and keys cost no more than others."""
    for line in (
        "sshd[24200]: Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2",
        "sshd[24200]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=173.234.31.186",
        "sshd[24200]: Accepted publickey for ann from 10.0.0.1: RSA SHA256 fingerprint of the key",
    ):
        assert not SUSPECTED.search(line)
        assert MASKER.mask_text(line) is line


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        (r"badge (?P<secret>\d+)", True),
        (r"Zeus-\w+", True),
        (r"ab*c?d+", False),
        (r"one|two", False),
        (r"(one|two)-key", True),
        (r"(?i)zeus", False),
        (r"\x41bcd", False),
        (r"[a-z]+", False),
        (r"z{0,3}ab{2}", False),
    ],
)
def test_own_patterns_are_suspected_where_they_name_a_word(pattern: str, *, known: bool) -> None:
    """A pattern with words that must be there adds them to the suspects; with any other, all lines are suspects."""
    assert (Masker([pattern]).suspect is not None) == known


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_text_stays(line: str) -> None:
    """Lines that only sound like secrets come back unchanged."""
    assert MASKER.mask_text(line) == line


@given(st.text(max_size=300))
def test_any_text_is_safe(text: str) -> None:
    """Masking ends, is idempotent, and lengthens a text by no more than three characters a secret."""
    masked = MASKER.mask_text(text)
    assert MASKER.mask_text(masked) == masked
    assert len(masked) <= len(text) + len(HIDDEN) * masked.count(HIDDEN)


TRICKY = st.lists(
    st.sampled_from(
        [
            "password",
            "token",
            "secret",
            "api_key",
            "Bearer ",
            "Authorization",
            "cookie",
            "***",
            "sk-",
            "hf_",
            "eyJ",
            "=",
            ":",
            " ",
            '"',
            "'",
            "\\",
            "://",
            "@",
            "\n",
            "-----BEGIN PRIVATE KEY-----",
            "abc12345xyz67890abcd",
            "x",
        ]
    ),
    max_size=30,
).map("".join)


@given(TRICKY)
def test_pieces_of_secrets_in_any_order(text: str) -> None:
    """Half secrets, doubled names and masks among them never make masking unstable."""
    masked = MASKER.mask_text(text)
    assert MASKER.mask_text(masked) == masked
    assert len(masked) <= len(text) + len(HIDDEN) * (masked.count(HIDDEN) + 1)
    assert hide(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "password" * 20_000,
        "a://" * 20_000,
        "token=" * 20_000,
        "-----BEGIN PRIVATE KEY-----" * 3000,
        "eyJ" + "a" * 60_000,
        "=" * 60_000,
        "curl " * 20_000 + "-u a:b",
        "mysql -p " * 8000,
        "\x1b[0m" * 20_000 + "password=x",
        "name: password, " * 8000,
        'password="' * 8000,
    ],
)
def test_long_hostile_lines_take_no_long_time(text: str) -> None:
    """A line made to confuse the rules is done within the test's own deadline."""
    assert MASKER.mask_text(text) is not None


FORMS = {
    "assigned": ["password := {}", 'secret :=  "{}"', "DB_PASSWORD={}", "pwd := {}", "password   =   {}", "  db_password\t:\t{}"],
    "names": ["DB_PASS={}", "userPass = {}", "redis_pass: {}", "db_password_prod={}", "password2={}", "admin_password_old: {}", "wifi_psk={}"],
    "languages": ["passwort={}", "contraseña={}", "mot de passe = {}", "senha: {}", "пароль={}"],
    "arrows": ["password => '{}'", ':api_key=>"{}"', "password -> {}"],
    "subscripts": ["os.environ['SECRET_KEY'] = '{}'", '$config["db_pass"] = "{}";'],
    "escaped": [r'{{\"password\": \"{}\"}}', r'"{{\\\"token\\\":\\\"{}\\\"}}"', r"{{\u0022api_key\u0022:\u0022{}\u0022}}", "%22password%22%3A%22{}%22"],
    "xml": ["<password>{}</password>", "<ns:ApiKey kind='x'>{}</ns:ApiKey>", '<add key="DbPassword" value="{}" />', "{{&quot;secret&quot;:&quot;{}&quot;}}"],
    "listed": ["- name: DB_PASSWORD, value: {}", '{{"name":"API_KEY","value":"{}"}}'],
    "options": ["app --db-password {} --port 80", "--token {} given", "cmd: app -password {}", "--api-key '{}'"],
    "lists": ["args: ['--password', '{}']", '["--token","{}"]', "Popen(['curl', '-u', 'ann:{}', 'http://x'])", '["mysql", "-p{}", "db"]'],
    "commands": [
        "sudo mysql -p{} db", "bash -c 'sshpass -p {} ssh h'", "curl -sS -uann:{} http://x", "curl -su ann:{} x", "COMMAND=/usr/bin/redis-cli -a {} ping", "docker exec db bash -c 'mysql -p{} db'",
        "docker login -u ann -p {} host", "openssl rsa -passin pass:{}", "xfreerdp /u:ann /p:{} /v:x", "docker run -e SECRET={} image",
        "lftp -u ann,{} host", "7z x -p{} a.7z",
    ],
    "headers": [
        "Authorization: ApiKey {}", 'Authorization: Digest username="ann", response="{}"', "X-Vault-Token: {}", "Cookie: a={}; b=2",
        "curl -H 'X-Api-Key: {}' x",
    ],
    "cookies": ["PHPSESSID={}", "connect.sid=s%3A{}.x", "csrftoken={}"],
    "urls": ["mysql://ann:a/{}@host/db", "https://ann:a?{}@host/", "amqp://ann:a@{}@host/v", "https://x/?sig={}%3D&a=1", "https://x/?X-Amz-Signature={}"],
    "hooks": ["https://hooks.slack.com/services/T0/B0/{}", "https://discord.com/api/webhooks/1/{}", "https://api.telegram.org/bot123456789:{}/x"],
    "beside": ["apiKey {}", "token {} used", "ALTER USER ann PASSWORD '{}'"],
    "hashes": ["PASSWORD_HASH=$argon2id$v=19$m=65536,t=3,p=4$c2FsdA${}", "hash $2b$12${}"],
    "colours": ["\x1b[36mpassword\x1b[0m=\x1b[35m{}\x1b[0m", "\x1b[34mtoken\x1b[39;49;00m: {}"],
    "open": ['password="{}', "secret='{} and more"],
}  # fmt: skip


LONG_ONLY = {"headers", "colours", "cookies", "urls", "hooks", "beside", "hashes"}
"""Here only what looks like a secret is one."""


@pytest.mark.parametrize("kind", FORMS)
@given(data=st.data())
def test_every_form_hides_its_secret(kind: str, data: st.DataObject) -> None:
    """Whatever stands between a name and its secret, nothing of the secret is left; masking again changes nothing."""
    secret = data.draw(WORD)
    for form in FORMS[kind]:
        masked = MASKER.mask_text(form.format(secret))
        assert secret not in masked
        assert HIDDEN in masked
        assert MASKER.mask_text(masked) == masked
        if kind not in LONG_ONLY:
            assert "hunter2" not in MASKER.mask_text(form.format("hunter2"))


@example(["7z x -p{} a.7z", "password -> {}"], "0000000000000000000000aA")
@example(["cat /etc/hosts", "/p:{} xfreerdp"], "0000000000000000000000aA")
@given(st.lists(st.sampled_from([form for forms in FORMS.values() for form in forms]), min_size=2, max_size=4), WORD)
def test_a_block_hides_what_its_lines_hide(forms: list[str], secret: str) -> None:
    """Lines in one block are masked as each by itself: the fast look at a block misses none."""
    lines = [form.format(secret) for form in forms]
    assert mask_of(())("\n".join(lines)) == "\n".join(MASKER.mask_text(line) for line in lines)


KEPT = [
    "token: abc tokens: 55 next_token: 17 token_type=bearer token budget: 4096",
    "KeyError: 'password'", "def login(user, password=None) -> bool", "def f(password: str, x: int)",
    "password reset link sent; password_changed_at=2026-01-01; min_password_length=12",
    "pass=12 fail=0 pass_rate=0.98 first_pass: done low_pass=300 compass=north bypass=true",
    "sudo: ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/ls", "OLDPWD=/srv/app pwd: /home/ann", "using credentials: /etc/app/x.json",
    "Cookie: accepted; Set-Cookie header missing; cookies: 3", "Authorization: required", "authorization: denied", "Bearer token missing",
    "auth=0.3ms auth_time=1700000000 auth: success", "session_id: 12 sid=5 nonce: 1234",
    "http://127.0.0.1:8080/a@2x.png", "https://medium.com/@x/y:z@w", "git+https://github.com/x/y@v1.2", "image: registry:5000/app@sha256:0123456789abcdef",
    "sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "trace_id=0123456789abcdef0123456789abcdef",
    "error: argument --password: expected one argument", "usage: app [--password PASSWORD] [--token-limit 5] --password-file /x",
    "mysql -p db", "docker run -p 80:80 nginx", "redis-cli ping", "curl: (7) Failed to connect - retrying", "ffmpeg -i x -pass 1 -an y",
    '<token>3</token> <password/> <add key="Mode" value="fast" />', "GET /?sig=11&code=404 signature: valid",
    "jina_embeddings_v2_base_en_is_long hf_transformers_model npm_lifecycle_event=build", "api key: 3 of 5 used",
]  # fmt: skip


@pytest.mark.parametrize("line", KEPT)
def test_what_only_sounds_like_a_secret_stays(line: str) -> None:
    """Counts, paths, kinds, states and addresses are shown to the letter."""
    assert MASKER.mask_text(line) == line


def test_own_patterns() -> None:
    """A pattern of one's own hides its group `secret`, or all it matches, in any line."""
    masker = Masker(extra=[r"badge (?P<secret>\d+)", r"Zeus-\w+"])
    assert masker.mask_text("badge 1234 of Zeus-77") == "badge *** of ***"
    assert masker.mask_text("nothing here") == "nothing here"


@pytest.mark.parametrize(
    "sql",
    ["SET PASSWORD FOR 'a'@'h' = '{}'", "SET PASSWORD FOR 'a'@'h'=PASSWORD('{}')", "SET PASSWORD = PASSWORD('{}')"],
)
def test_passwords_of_statements_are_gone(sql: str) -> None:
    """MySQL's forms of a password."""
    assert "hunter2" not in MASKER.mask_text(sql.format("hunter2"))


TOKEN_LIKE = "Zk9vQ2xT7pLw4RnBZk9vQ2xT7"


@pytest.mark.parametrize(
    "form",
    [
        "git clone https://{}:x-oauth-basic@github.com/a/b",
        "GET https://{}:x@api.example.com/v1",
        "fetch https://{}:@api.example.com/v1 failed",
        "curl -u {}: https://api.example.com/v1/charges",
        "curl --user={}: https://api.example.com/v1/charges",
        r"net use \\srv\share {} /user:dom\ann",
        r"net use Z: \\srv\share {} /user:ann",
    ],
)
def test_a_key_in_place_of_a_name_is_gone(form: str) -> None:
    """Some services take a key as the user of a URL, with nothing or a fixed word for a password."""
    line = form.format(TOKEN_LIKE)
    shown = MASKER.mask_text(line)
    assert TOKEN_LIKE not in shown
    assert MASKER.mask_text(shown) == shown == hide(line)
    assert SUSPECTED.search(line)


@pytest.mark.parametrize("secret", ["ann:hunter2", "a:b c", "user:pässword"])
def test_a_login_in_base64_is_gone(secret: str) -> None:
    """Behind `Basic`, also without the name of its header."""
    word = base64.b64encode(secret.encode()).decode()
    for line in (f"auth: Basic {word}", f'{{"header": "basic {word}"}}', f"proxy wants Basic {word} from us"):
        assert word not in MASKER.mask_text(line)
        assert MASKER.mask_text(line) == hide(line)
        assert SUSPECTED.search(line)


@pytest.mark.parametrize(
    "line",
    [
        "Basic training begins",
        "use basic authentication here",
        "Basic c29tZXRoaW5nZWxzZQ==",
        "curl -u ann: https://api.example.com",
        "curl -u deploy-2: https://api.example.com",
        "https://ann@example.com/x",
        r"net use Z: \\fileserver01\share /persistent:yes",
    ],
)
def test_names_and_words_in_their_place_stay(line: str) -> None:
    """A user without a password, a word behind `basic` and a share are no secrets."""
    assert MASKER.mask_text(line) == line

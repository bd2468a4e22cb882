"""Secrets are hidden; ordinary text is not."""

import string

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from monitor.masking import HIDDEN, SUSPECT, Masker

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
    assert masked == text or SUSPECTED.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "password" * 20_000,
        "a://" * 20_000,
        "token=" * 20_000,
        "-----BEGIN PRIVATE KEY-----" * 3000,
        "eyJ" + "a" * 60_000,
        "=" * 60_000,
    ],
)
def test_long_hostile_lines_take_no_long_time(text: str) -> None:
    """A line made to confuse the rules is done within the test's own deadline."""
    assert MASKER.mask_text(text) is not None


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["app", "--password", "x y", "--port", "80"], "app --password *** --port 80"),
        (["app", "--password=x"], "app --password=***"),
        (["app", "--db-password", "x"], "app --db-password ***"),
        (["app", "-password", "x"], "app -password ***"),
        (["app", "--api-key", "abc", "--hf-token", "d"], "app --api-key *** --hf-token ***"),
        (["app", "--password", "--verbose"], "app --password --verbose"),
        (["app", "--max-tokens", "5", "--token-limit", "6"], "app --max-tokens 5 --token-limit 6"),
        (["app", "--password-file", "/run/pw", "--key", "a.pem"], "app --password-file /run/pw --key a.pem"),
        (["/usr/bin/mysql", "-u", "ann", "-pgeheim", "db"], "/usr/bin/mysql -u ann -p*** db"),
        (["mysql", "-p", "db"], "mysql -p db"),
        (["sshpass", "-p", "x", "ssh", "host"], "sshpass -p *** ssh host"),
        (["redis-cli", "-a", "x"], "redis-cli -a ***"),
        (["docker", "login", "-u", "ann", "-p", "x"], "docker login -u ann -p ***"),
        (["docker", "run", "-p", "80:80", "img"], "docker run -p 80:80 img"),
        (["python", "-p", "x"], "python -p x"),
        (["curl", "-u", "ann:pw", "http://x"], "curl -u ann:*** http://x"),
        (["curl", "-H", "Authorization: Bearer abcdef1234"], "curl -H Authorization: Bearer ***"),
        (["env", "API_KEY=abc", "app"], "env API_KEY=*** app"),
        (["git", "clone", "https://ann:pw@host/x"], "git clone https://ann:***@host/x"),
        (["app", "--password"], "app --password"),
        ([], ""),
    ],
)
def test_command_lines(argv: list[str], shown: str) -> None:
    """Options that take a secret are known by name; short ones only of programs that use them so."""
    assert MASKER.mask_cmdline(argv) == shown


@given(
    st.lists(st.text(max_size=30), max_size=8),
    WORD,
    st.sampled_from(["--password", "--token", "--api-key", "--client-secret"]),
)
def test_no_option_lets_its_secret_out(words: list[str], secret: str, option: str) -> None:
    """Wherever such an option stands behind the program, its value is hidden."""
    shown = MASKER.mask_cmdline(["app", *words, "x", option, secret])
    assert shown.endswith(f" {option} {HIDDEN}")


def test_own_patterns() -> None:
    """A pattern of one's own hides its group `secret`, or all it matches, in any line."""
    masker = Masker(extra=[r"badge (?P<secret>\d+)", r"Zeus-\w+"])
    assert masker.mask_text("badge 1234 of Zeus-77") == "badge *** of ***"
    assert masker.mask_text("nothing here") == "nothing here"

"""Secrets are hidden; ordinary text is not."""

import base64
import shlex
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


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["sudo", "-u", "x", "mysql", "-pgeheim"], "sudo -u x mysql -p***"),
        (["bash", "-c", "mysql -pgeheim db"], "bash -c mysql -p*** db"),
        (["ssh", "h", "redis-cli -a geheim ping"], "ssh h redis-cli -a *** ping"),
        (["app", "--auth", "ann:geheim"], "app --auth ***"),
        (["app", "--NotebookApp.token=geheim1"], "app --NotebookApp.token=***"),
        (["keytool", "-storepass", "geheim"], "keytool -storepass ***"),
        (["curl", "--user=ann:geheim", "x"], "curl --user=ann:*** x"),
        (["curl", "-b", "session=geheim", "x"], "curl -b session=*** x"),
        (["ansible-playbook", "-e", "ansible_become_pass=geheim"], "ansible-playbook -e ansible_become_pass=***"),
        (["python3 x.py --password geheim"], "python3 x.py --password ***"),
        (["sudo", "-u", "mysql", "ls", "-a"], "sudo -u mysql ls -a"),
        (["psql", "-p", "5432"], "psql -p 5432"),
        (["bash", "-c", "sort -u names.txt"], "bash -c sort -u names.txt"),
        (["docker", "compose", "-p", "project", "up"], "docker compose -p project up"),
    ],
)
def test_programs_within_programs(argv: list[str], shown: str) -> None:
    """A program is known wherever it stands in a command line: behind sudo, in a script of bash, on another machine."""
    assert MASKER.mask_cmdline(argv) == shown


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


POSITIONAL = [
    "net user ann {} /add", "security add-generic-password -a ann -s svc -w {}", "poetry config http-basic.foo ann {}",
    "composer config http-basic.repo.example.com ann {}", "htpasswd -b /etc/nginx/.htpasswd ann {}", "htpasswd -nbB ann {}", "htpasswd -cbB -C 12 file ann {}", "mosquitto_passwd -b file ann {}",
    "openssl passwd {}", "openssl passwd -6 -salt ab {}", "redis-cli -h h AUTH {}", "redis-cli AUTH ann {}", "redis-cli CONFIG SET requirepass {}",
    "redis-server --requirepass {}", "mysqladmin -u root password {}", "wpa_passphrase net1 {}", "rabbitmqctl -n node add_user ann {}",
    "rabbitmqctl change_password ann {}", "samba-tool user create ann {}", "smbclient //h/s {} -U ann", "mc alias set m http://x KEYID {}",
    "ngrok config add-authtoken {}", "neo4j-admin dbms set-initial-password {}", "sqlplus -s ann/{}@db", "rman target sys/{}@db", "bw unlock {}",
    "aws configure set aws_secret_access_key {} --profile p", "aws configure set default.aws_session_token {}", "pip config set global.password {}",
    "git config --global user.password {}", "npm config set //registry.example.com/:_authToken {}", "yarn config set npmAuthToken {}",
    "rclone config create r s3 secret_access_key {}", "dvc remote modify --local r secret_access_key {}", "dotnet user-secrets set Db:Password {}",
    "pulumi config set dbPassword {} --secret", "pulumi config set --secret dbPassword {}", "nmcli con modify x wifi-sec.psk {}",
    "nmcli dev wifi connect net1 password {}", "consul kv put db/password {}", "etcdctl put /db/password {}", "drush user:password ann {}",
    "vault kv put secret/db k={}", "vault kv patch secret/db a=b k={}", "kubectl create secret generic s --from-literal=k={} -n x",
    "kubectl -n x create secret generic s --from-literal k={}", "oc create secret generic s --from-literal=k={}", "gh secret set NAME --body {}",
    "gh secret set NAME -b {}", "fly secrets set API={}", "doppler secrets set K={}", "aws ssm put-parameter --name n --type SecureString --value {}",
    "az keyvault secret set --vault-name v --name n --value {}", "sshpass -p {} ssh h", "docker login -u ann -p {} host", "poetry publish -u a -p {}",
    "curl -H 'PRIVATE-TOKEN: {}' http://x", "curl -u a:{} http://x", "wget --password {} http://x", "PGPASSWORD={} psql -h x", "ssh-keygen -N {} -f k",
]  # fmt: skip
"""Secrets that stand at a place of their program, behind the name of a setting, or in a store of secrets."""


@pytest.mark.parametrize("form", POSITIONAL)
@pytest.mark.parametrize("secret", ["hunter2", "tr0ub4dor&3", "Xy12_zzQ.9-aaBB"])
def test_secrets_at_a_place_are_gone(form: str, secret: str) -> None:
    """In the words of a process, in a line of a log, behind sudo and in a shell's script: the secret is gone, the first word stays."""
    text = form.format(secret)
    if "'" in text or "&" not in secret:  # a shell would end its command there
        for line in (
            text,
            f"2026-01-01 10:00:00 INFO ran: sudo {text}",
            f"sudo: ann : PWD=/home/ann ; COMMAND=/usr/bin/{text}",
        ):
            shown = MASKER.mask_text(line)
            assert secret not in shown
            assert MASKER.mask_text(shown) == shown == hide(line)
            assert SUSPECTED.search(line)
    words = shlex.split(text)
    assert secret not in MASKER.mask_cmdline(words)
    assert secret not in MASKER.mask_cmdline(["bash", "-c", shlex.join(words)])
    assert MASKER.mask_cmdline(words).startswith(words[0].partition("=")[0])


@pytest.mark.parametrize(
    "form",
    [
        "some-tool config set db.password {}",
        "other store set api_key {}",
        "tool secrets put NAME={}",
        "tool secret create x --value {}",
        "tool -H 'X-Api-Key: {}' get",
    ],
)
def test_a_program_nobody_knows_hides_what_its_words_name(form: str) -> None:
    """The name of a setting, a store of secrets or a header tells, whatever the program is called."""
    assert "hunter2" not in MASKER.mask_cmdline(shlex.split(form.format("hunter2")))
    assert "hunter2" not in MASKER.mask_text("sudo: ann : USER=root ; COMMAND=/usr/bin/" + form.format("hunter2"))


@pytest.mark.parametrize(
    "form",
    [
        "echo {} | passwd --stdin ann",
        "echo ann:{} | chpasswd",
        "echo '{}' | sudo -S ls",
        "printf '%s' {} | docker login -u a --password-stdin",
        "chpasswd <<< ann:{}",
        "sudo -S ls <<< {}",
        "echo -n {} | cryptsetup open /dev/x y -",
        "echo {} | gpg --batch --passphrase-fd 0 -d f",
    ],
)
def test_what_a_pipe_feeds_to_a_reader_of_secrets_is_gone(form: str) -> None:
    """A secret given on standard input stands in the script that gives it."""
    line = form.format("hunter2")
    assert "hunter2" not in MASKER.mask_text(line)
    assert "hunter2" not in MASKER.mask_cmdline(["sh", "-c", line])
    assert SUSPECTED.search(line)


@pytest.mark.parametrize(
    "sql",
    ["SET PASSWORD FOR 'a'@'h' = '{}'", "SET PASSWORD FOR 'a'@'h'=PASSWORD('{}')", "SET PASSWORD = PASSWORD('{}')"],
)
def test_passwords_of_statements_are_gone(sql: str) -> None:
    """MySQL's forms of a password."""
    assert "hunter2" not in MASKER.mask_text(sql.format("hunter2"))


COMMANDS_KEPT = """git config credential.helper store
git config --global user.name ann
git commit -m "update password hash"
kubectl get secret my-secret -n prod -o yaml
kubectl create secret generic s --from-file=k=/etc/x -n ns
kubectl config use-context prod-secret
docker secret create db_secret /run/x.txt
vault kv get secret/db
vault kv put secret/db @data.json
vault login failed for ann
vault login -method=userpass username=ann
cargo login failed
aws ssm get-parameter --name /db/x --with-decryption
aws configure set region eu-west-1
npm config set registry https://registry.example.com
htpasswd /etc/nginx/.htpasswd ann
net user ann /active:no
poetry config virtualenvs.create false
htpasswd -D file ann
openssl passwd -6
openssl passwd -in file
redis-cli -h h -p 6379 -n 2 set token_count 5
redis-cli config set maxmemory 100mb
redis-cli config get requirepass
mysqladmin -u root -p password
smbclient //h/s -U ann -c 'ls dir'
rabbitmqctl set_permissions -p / ann ".*" ".*" ".*"
sqlplus / as sysdba
nmcli con modify x ipv4.method auto
mc cp a b c d
poetry run pytest -p no:cacheprovider
ssh-keygen -t ed25519 -f k -N ""
curl -H "Accept: application/json" -E a.pem http://x
pytest -k password tests/unit
grep -r password src
echo "done" | tee -a log
echo $PASS | sudo -S ls
echo 3 | sudo tee /proc/sys/vm/drop_caches
cat <<< hello
docker exec db config set cache.size 10
docker run img set token_limit 5
heroku config:set NODE_ENV=production
consul kv put app/config/timeout 30
etcdctl put /app/replicas 3
python manage.py changepassword ann""".splitlines()


@pytest.mark.parametrize("command", COMMANDS_KEPT)
def test_commands_without_a_secret_stay(command: str) -> None:
    """Names, files, numbers and hosts of the same programs are shown to the letter."""
    for line in (command, f"2026-01-01 10:00:00 INFO ran: {command}"):
        assert MASKER.mask_text(line) == line
    words = shlex.split(command)
    assert MASKER.mask_cmdline(words) == " ".join(words)


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

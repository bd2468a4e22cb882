"""Secrets as programs print them, kind by kind; and what the same programs print beside them that is none."""

import shlex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logs.redaction.line_mask import mask_of
from logs.redaction.masker import SUSPECT, Masker, hide
from logs.redaction.suspects import compiled

MASKER = Masker()
SUSPECTED = compiled(SUSPECT)
MIXED = st.from_regex(r"[a-z]{4}[A-Z]{4}[0-9]{4}[A-Za-z0-9]{4,12}", fullmatch=True)

KINDS = {
    "mail and files": ["C: a1 AUTHENTICATE PLAIN AGJvYgBodW50ZXI2MA==", "smtp <<< AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=", 'a2 LOGIN "bob" "{}"', "imap: a001 LOGIN bob {}",
        "ftp: ---> PASS {}", "POP3 > PASS {}", "'PASS {}'"],
    "redis": ["ACL SETUSER worker on >{} allkeys", "user default on >{} ~* +@all", "requirepass {}", "masterauth {}", "sentinel auth-pass mymaster {}", "AUTH {}",
        '1700000000.123456 [0 127.0.0.1:5] "AUTH" "{}"', '1700000000.1 [0 127.0.0.1:5] "HELLO" "3" "AUTH" "default" "{}"', "127.0.0.1:6379> auth {}"],
    "network devices": ["snmp-server community {} RW", "rocommunity {} 10.0.0.0/8", "com2sec readonly default {}", 'createUser bob SHA "{}" AES x', "username admin password 7 {}",
        "neighbor 10.0.0.1 password {}", "enable secret 5 {}", "radius-server key {}", "crypto isakmp key {} address 0.0.0.0", "key-string {}", "ntp authentication-key 1 md5 {}",
        'set system root-authentication encrypted-password "{}"'],
    "files of accounts": ["machine ftp.example login bob password {}", "db.example:5432:app:app:{}", 'bob * "{}" *', ': PSK "{}"', "bindpw {}", "stats auth admin:{}",
        "olcRootPW: {{SSHA}}{}", "hibernate.connection.password {}"],
    "databases": ["jdbc:oracle:thin:scott/{}@//db:1521/ORCL", "connecting as system/{}@db:1521/XE", "oracle+cx_oracle://scott:{}@db:1521/x", "app:{}@tcp(127.0.0.1:3306)/app",
        "CREATE LOGIN sa WITH PASSWORD = N'{}'", "CREATE USER bob IDENTIFIED BY {};", 'ALTER USER x IDENTIFIED BY "a" REPLACE "{}"', "EXEC sp_addlogin 'bob', '{}'",
        'db.auth("bob", "{}")', "PRAGMA key = '{}'", "ATTACH DATABASE 'x.db' AS e KEY '{}'", "Driver={{X}};UID=sa;PWD={{{};d}};Encrypt=yes", "odbc_connect=UID%3Dsa%3BPWD%3D{}%3B",
        "redis://{}@cache:6379", "nats://{}@nats:4222"],
    "calls": ["conn.simple_bind_s('cn=x', '{}')", 'client.login("bob", "{}")', "requests.get(u, auth=('bob', '{}'))", "HTTPBasicAuth('bob', '{}')", "ConvertTo-SecureString '{}' -AsPlainText -Force",
        '(ConvertTo-SecureString -String "{}" -AsPlainText)'],
    "wrapped values": ["Settings(api_key=SecretStr('{}'), debug=True)", 'token: Some("{}")', "password=SecretBytes(b'{}')", "password=Optional[{}]", "app.secret_key = b'{}'",
        "[('user', 'u'), ('password', '{}')]", '{{password,"{}"}}', "userPassword:: {}", '  ~ password: "x1" => "{}"'],
    "markup": ["<password><![CDATA[{}]]></password>", '<property name="db.password">{}</property>', "&lt;password&gt;{}&lt;/password&gt;", r"\u003cpassword\u003e{}\u003c/password\u003e",
        '<setting name="Password" serializeAs="String"><value>{}</value></setting>', '{{"Name":"/prod/db/password","Type":"SecureString","Value":"{}"}}', '{{"kty":"oct","k":"{}"}}'],
    "headers": ["Authorization: SSWS {}", "Authorization: SharedKey acc:{}", "Authorization:Bearer {}", 'proxy_set_header X-Api-Key "{}";', "WWW-Authenticate: NTLM TlRMTVNTUAAC{}", "x-functions-key: {}",
        r"b'GET / HTTP/1.1\r\nX-Auth-Token: {}\r\n\r\n'", r"send: b'A: b\r\nX-Api-Key: {}\r\nHost: a b\r\n'", r'"a\nCookie: sid={}\n"', '"authorization":["Token {}"]', "map[Authorization:[Token {}] Accept:[*/*]]", "passwords: ['x9y8z7w6', '{}']", '"apiKeys":["{}","x"]', r"\"api_keys\":[\"x9y8z7w6\",\"{}\"]"],
    "environments": ["ENV DB_PASSWORD {}", "setenv LDAP_BIND_PASSWORD {}", "GITHUB_PAT={}", "InstrumentationKey={}", "rootpw={}", "passkey={}", "code_verifier={}", "SAMLResponse={}", "mount -o user=bob,pass={},vers=3"],
    "sentences": ["A temporary password is generated for root@localhost: {}", "initial password for user 'admin' is: {}", "password set to '{}'", "Unseal Key 1: {}", "preshared key: {}", "Your API key is: {}",
        "The admin password is: {}", "admin password changed to {}", "Setting environment variable CODECOV_TOKEN to {}"],
    "operators": ["ENV['SECRET_KEY_BASE'] ||= '{}'", "DB_PASSWORD ?= {}", "params: {{password:[{}], user:[bob]}}"],
    "pipelines": ["##[set-env name=DEPLOY_TOKEN]{}", "##vso[task.setvariable variable=dbPassword;isOutput=true]{}", "##vso[task.setvariable variable=x;issecret=true]{}",
        "::set-env name=API_SECRET::{}", "::add-mask::{}"],
    "registries": ["    DefaultPassword    REG_SZ    {}", "reg add HKLM\\X /v ProxyPassword /t REG_SZ /d {} /f", "setx /M API_SECRET {}", "set -gx GITHUB_TOKEN {}"],
    "declarations": ['let password: String = "{}";', 'const TOKEN: &\'static str = "{}";', "val dbPassword: String? = '{}'", 'password: str = "{}"', "apiSecret: string = `{}`"],
    "values in values": ['"form": {{"password": ["{}"]}}', '{{"db.password": {{"value": "{}", "origin": "x"}}}}', "config.dockerconfigjson={}", '"config" "set" "requirepass" "{}"'],
    "traces of PHP": ["#0 PDO->__construct('mysql:host=h', 'app', '{}')", "#1 mysqli_connect('h', 'root', '{}', 'db')", "#2 ftp_login(Resource id #5, 'bob', '{}')"],
    "places of options": ["WIFI:T:WPA;S:home;P:{};;", "-object secret,id=s,data={},format=raw", 'lftp -e "open -p 22 -u bob,{} host; ls"', "< PASS {}"],
    "sessions": ["2026-12-01 10:00:00 [10.0.0.5] PASS {}", "[client 10.0.0.5:4444] <- PASS {}", "vsftpd: (3) <- PASS {}"],
    "streams": ["stream_key: {}", "stream key = {}", "rtmp://live.example/app/live_{}", "wifi-sec.psk {}", "nmcli c modify home wifi-sec.psk {}"],
    "leaders and tables": ["Password ............ {}", "DB Password . . . . . : {}", "API Key ----------> {}", "password........: {}", "| admin_pass | {} |", "│ api_key │ {} │ x │"],
    "calls of other languages": ["define('DB_PASSWORD', '{}');", "define( 'AUTH_KEY', '{}' );", 'conn.setPassword("{}")', '.password("{}")', 'DriverManager.getConnection(url, "sa", "{}")',
        'new NetworkCredential("bob", "{}")'],
    "changes and logins": ["password changed from '{}' to 'x1'", "password was updated from 'x1' to '{}'", "login with user admin / password {}", "[mail.example.com]:587 bob:{}"],
    "languages": ["Hasło: {}", "Clave={}", "mdp={}", "口令: {}", "mật khẩu: {}", "Passwort: {}"],
}  # fmt: skip
COMMANDS = [
    "mysqldump -u u -p'{}' d", 'mysqldump -u u -p"{}" d', "openssl rsa -passin=pass:{}", "openssl dgst -hmac {} f", "podman run --creds u:{} x", "skopeo copy --dest-creds=u:{} a b",
    "http GET x X-API-Token:{}", "http x 'Authorization:Bearer {}'", "curl '-HAuthorization: Bearer {}' x", "curl -x u:{}@p:3128 x", "vault operator unseal {}", "kubectl --token={} get po",
    "jupyter lab --ServerApp.token={}", "rclone --webdav-pass={} ls r:", "rclone obscure {}", "swaks -ap {} -au u", "pdftotext -upw {} a.pdf", "pdftk a output b owner_pw {}", "qpdf --encrypt x1 {} 256",
    "kadmin -p admin -w {}", "db2 connect to x user u using {}", "transmission-remote -n u:{} -l", "consul agent -encrypt {}", "impacket-psexec dom/bob:{}@10.0.0.1", "mysqlsh root:{}@h:33060",
    "sqlldr userid=scott/{} control=x", "keydb-cli -a {}", "ansible-vault encrypt_string {} --name x", "caddy hash-password --plaintext {}", "flower --basic_auth=u:{}", "airflow users create -u a -p {}",
    "https --auth-type bearer --auth {} x.org", "http -A bearer -a {} x.org", "doctl auth init -t {}", "bitcoin-cli walletpassphrase {} 60", "PsExec64 //h -u bob -p {} cmd", "lftp -c 'open -u bob,{} h'",
    "yt-dlp -u u -p {} x", "aws ssm put-parameter --name /db/pw --value {} --type SecureString", "app --pass={}",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=6)
@given(secret=MIXED)
def test_secrets_of_a_kind_are_gone(kind: str, secret: str) -> None:
    """Nothing of the secret is left, the line was suspected, a block hides the same, and masking again changes nothing."""
    for form in KINDS[kind]:
        line = form.format(secret)
        shown = MASKER.mask_text(line)
        assert shown != line, line
        assert secret not in shown, line
        assert MASKER.mask_text(shown) == shown == hide(line), line
        assert SUSPECTED.search(line.encode()), line
        assert mask_of(())(f"before\n{line}\nafter") == f"before\n{shown}\nafter"


@pytest.mark.parametrize("command", COMMANDS)
@settings(max_examples=6)
@given(secret=MIXED)
def test_secrets_of_commands_are_gone(command: str, secret: str) -> None:
    """In the words of a process, in a line that quotes the command, and in a shell's script."""
    text = command.format(secret)
    words = shlex.split(text)
    assert secret not in MASKER.mask_cmdline(words)
    assert secret not in MASKER.mask_cmdline(["sh", "-c", text])
    shown = MASKER.mask_text(f"10:00:00 INFO ran: {text}")
    assert secret not in shown
    assert MASKER.mask_text(shown) == shown == hide(f"10:00:00 INFO ran: {text}")


CODES = ["--otp {}", "--otp={}", '{{"mfa_code": "{}"}}', "totp_code={}", "Your verification code is {}", "G-{} is your Google verification code", "One-time code: {}"]  # fmt: skip


@pytest.mark.parametrize("form", CODES)
@given(code=st.from_regex(r"[1-9][0-9]{5}", fullmatch=True))
def test_codes_of_a_second_factor_are_gone(form: str, code: str) -> None:
    """They are numbers, and nothing else says so but the name."""
    shown = MASKER.mask_text(form.format(code))
    assert code not in shown
    assert MASKER.mask_text(shown) == shown == hide(form.format(code))
    assert SUSPECTED.search(form.format(code).encode())


BELOW = ["- name: DB_PASSWORD\n  value: {}", "  - key: API_SECRET\n    value: '{}'", '  "name": "API_SECRET",\n  "value": "{}"', '  ["password"]=>\n  string(20) "{}"', "db_password: |\n  {}", "chpasswd:\n  list: |\n    root:{}\n    bob:x1", "chpasswd:\n  expire: false\n  list:\n    - root:x1\n    - bob:{}", "secret: >-\n    {}",
    'variable "db_password" {{\n  type = string\n  default = "{}"\n}}', 'output "admin_password" {{\n  value = "{}"\n}}', "USER bob\r\nPASS {}\r", "C: AUTH LOGIN\nS: 334 UGFzc3dvcmQ6\nC: {}", "reply: b'334 UGFzc3dvcmQ6\\r\\n'\nsend: '{}\\r\\n'"]  # fmt: skip
BELOW_KEPT = ["- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db\n      key: password", '- name: TOKEN_LIMIT\n  value: "4096"', '  ["name"]=>\n  string(3) "bob"', 'variable "region" {{\n  default = "eu-west"\n}}',
    "USER bob\n230 Login ok", "334 VXNlcm5hbWU6\nC: Ym9i", "- name: LOG_LEVEL\n  value: debug", "description: |\n  the password is read from a file"]  # fmt: skip


@pytest.mark.parametrize("form", BELOW)
@settings(max_examples=6)
@given(secret=MIXED)
def test_a_secret_below_its_name_is_gone(form: str, secret: str) -> None:
    """In a record of several lines, and in a block of lines of which each is a record; the number of lines stays."""
    text = form.format(secret)
    shown = MASKER.mask_text(text)
    assert secret not in shown
    assert MASKER.mask_text(shown) == shown == hide(text)
    assert mask_of(())(f"before\n{text}\nafter") == f"before\n{shown}\nafter"


@pytest.mark.parametrize("text", BELOW_KEPT)
def test_what_is_below_another_name_stays(text: str) -> None:
    """References, limits and plain settings."""
    assert MASKER.mask_text(text) == text
    assert mask_of(())(f"before\n{text}\nafter") == f"before\n{text}\nafter"


FAMILIES = [
    "glpat-{}", "xoxc-{}", "sq0atp-{}{}", "1//0{}{}", "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.{}{}", "s.{}", "oy2{}", "secret_{}{}", "EAAC{}{}", "pul-{}", "CFPAT-{}{}{}", "sqp_{}", "key-{}", "gAAAAA{}{}{}{}",
    "v2.local.{}{}{}", "LS0tLS1CRUdJTiBSU0E{}", "eyJrIjoi{}{}", "rzp_live_{}", "abcdefgh123456.atlasv1.{}{}{}", "{}-us12", "ya29.c.{}", "live_123456789_{}{}", "hf_oauth_{}", "$apr1$ab$cdef{}",
]  # fmt: skip
SIZES = {"s.{}": 24, "oy2{}": 43, "secret_{}{}": 43, "pul-{}": 40, "sqp_{}": 40, "key-{}": 32, "{}-us12": 32}


@pytest.mark.parametrize("form", FAMILIES)
@settings(max_examples=6)
@given(data=st.data())
def test_tokens_of_more_services_are_known_by_their_form(form: str, data: st.DataObject) -> None:
    """Whatever stands before them."""
    size = SIZES.get(form, 24 * form.count("{}"))
    body = ("1a" + data.draw(st.text("abcdef0123456789", min_size=size, max_size=size)))[:size]
    parts = form.count("{}")
    token = form.format(*[body[at * size // parts : (at + 1) * size // parts] for at in range(parts)])
    for line in (token, f"using {token} now", f'{{"x": "{token}"}}'):
        shown = MASKER.mask_text(line)
        assert body[-12:] not in shown, line
        assert MASKER.mask_text(shown) == shown == hide(line), line
        assert SUSPECTED.search(line.encode()), line


KEPT = """    password = os.environ["DB_PASSWORD"]
    password = getpass.getpass("Password: ")
    self.token = token
    api_key=self.api_key,
    token = request.headers.get("Authorization")
    password := os.Getenv("DB_PASSWORD")
    secret: process.env.SECRET,
    logger.debug("password=%s", mask(password))
    f"postgresql://{user}:{password}@{host}/{db}"
    password: ${{ secrets.DB_PASSWORD }}
    password: ${DB_PASSWORD:-}
    password = var.db_password
    + password = (sensitive value)
Parameters: {"user"=>{"email"=>"x@y.z", "password"=>"[FILTERED]"}}
{"errors":{"password":"is too short (minimum is 8 characters)"}}
token_type=bearer expires_in=3600
user=bob password= host=db
password_encryption = scram-sha-256
arn:aws:secretsmanager:us-east-1:123456789012:secret:prod/db-AbCdEf
aws_secretsmanager_secret.db: Creating...
helm: Error: secret "sh.helm.release.v1.x.v1" already exists
MountVolume.SetUp failed: secret "db-credentials-x2x9z" not found
Passwort: erforderlich
signature: RSA-SHA256 ok
http://[::1]:8080/x@2x.png
credentials=include mode=cors
250-AUTH PLAIN LOGIN CRAM-MD5
a1 OK LOGIN completed
> PASS  src/app.test.ts (5.1 s)
> PASS src/app.test.ts
    --- PASS: TestPassword/empty (0.00s)
redis: WARNING: requirepass is not set
sshd[88]: Failed password for root from 10.0.0.5 port 41532 ssh2
user bob on call since 10:00
INFO:bob@host:22 refused
user/repo@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
foo/bar@1.0:8080
ssh://deploy01@host:22/x
jdbc:oracle:thin:@//db:1521/x
redis://cache01:6379
set token_count 5
('username', 'password')
["password", "email"]
this.s.ServiceDescriptorFactory.create()
AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
0 5 * * * /usr/bin/backup
main.c:42:5: error: x
Set-Cookie: theme=dark; Path=/; SameSite=Lax
Cookie: lang=en-GB; consent=yes; layout=2
gcloud secrets versions access latest --secret=db-password
gcloud run deploy --set-secrets=DB=db-pass:latest
otp enabled: true otp_length=6 totp=off
error code is 1234567
order 554433 is your largest order
let password: String = prompt();
"passwords": ["two", "words"]
::set-output name=version::1.2.3
##vso[task.setvariable variable=region]eu-west
qemu -object secret,id=s,file=/run/pw
HKLM\\X    Region    REG_SZ    eu-west
secret copied to node12
token expired, refreshing to v2
password changed to expired
token valid from 2026-01-01 to 2026-02-01
max token count set to 4096
password reset link sent to bob99@example.org
TOKEN_LIMIT ||= 12
password: [REDACTED]
token: [abc, def]
| password | string | required |
| token | varchar255 | no |
| user | password | role |
Password .......... changed
check passwords .... 12 of 12
[10.0.0.5] PASS test_login
ftp: [3/5] PASS src/ftp.test.js
[api.local]:8080 status:ok
stream_key=orders
rtmp://localhost/live/camera
X-Auth-Token: missing
next token ---> the
wifi-sec.key-mgmt wpa-psk
chpasswd: password updated successfully
define('DB_HOST', 'localhost');
inquirer.password("Your password")
password changed for bob
stop_token=END pad_token=PAD""".splitlines()
KEPT_COMMANDS = """openssl req -new -key server.key -out server.csr
openssl s_client -connect h:443 -key k.pem
openssl enc -aes-256-cbc -kfile key.bin
openssl pkcs12 -passin env:PW
docker build --secret id=npm,src=/x/.npmrc .
curl -x proxy:3128 http://h
http POST x name=bob age:=3
python3 x.py --two-pass fast
python3 x.py --pass 3
ffmpeg -i in.mp4 -pass 2 out.mp4
vault operator unseal
airflow webserver -p 8080
qpdf --decrypt a b
aws ssm get-parameter --name /db/pw --with-decryption
mount -o ro,noexec /dev/x /m""".splitlines()


@pytest.mark.parametrize("line", KEPT)
def test_what_programs_print_beside_stays(line: str) -> None:
    """Lines of code in a traceback, states, names of objects and algorithms are shown to the letter."""
    assert MASKER.mask_text(line) == line


@pytest.mark.parametrize("command", KEPT_COMMANDS)
def test_options_of_the_same_letters_stay(command: str) -> None:
    """Files, numbers and names behind options that only begin like one for a secret."""
    assert MASKER.mask_cmdline(shlex.split(command)) == command
    assert MASKER.mask_text(f"10:00:00 INFO ran: {command}") == f"10:00:00 INFO ran: {command}"


@pytest.mark.parametrize(
    "piece",
    [
        "identified by x ",
        "user a on ",
        "SETUSER a b ",
        "temporary password ",
        "password is set to ",
        "machine x login y ",
        "attach key ",
        "scott/x@",
        "password=a.b.c.",
        "password='rsa-sha1-",
        "set password ",
        '("password", ',
        "&lt;password&gt;",
        "username x privilege 1 password ",
        '1700 "AUTH" ',
        "open -u ",
        'variable "password" { ',
        "334 UGFzc3dvcmQ6 ",
        "secret,a=b,",
        "seed: abc abc ",
        "##vso[task.setvariable variable=password ",
        "/v password /t REG_SZ ",
        "mysqli_connect('a', ",
        '"password": { ',
        "password: &str ",
        "- name: DB_PASSWORD\n",
        "password changed to ",
        "set token to ",
        "password:[a1 ",
        "Cookie: a=b; ",
        "ftp 1.2.3.4 ",
        "password . . . . ",
        "| password ",
        "rtmp://a/b/",
        "user a / password ",
        "password changed from 'a' to ",
        'define("PASSWORD", ',
        "chpasswd:\n  list:\n    a:b\n",
    ],
)
def test_hostile_repetitions_take_no_long_time(piece: str) -> None:
    """Half a secret, many times, is done within the test's own deadline."""
    assert MASKER.mask_text(piece * (100_000 // len(piece))) is not None


def test_a_key_of_putty_is_hidden_over_its_counted_lines() -> None:
    """Its file says how many lines of the private key follow."""
    masked = mask_of(())(
        "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\nAAABAQCq8Zr4\nkq8Zr4wVb7==\nPrivate-MAC: abc"
    )
    assert masked == "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 2\n***\n***\nPrivate-MAC: abc"

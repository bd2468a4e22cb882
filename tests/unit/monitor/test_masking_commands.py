"""Secrets of command lines are hidden: options, places, programs within programs; ordinary commands are not."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logs.redaction.masker import HIDDEN, hide
from tests.unit.monitor.test_masking import MASKER, SUSPECTED, WORD


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
        (["curl", "-sSuann:geheim", "x"], "curl -sSuann:*** x"),
        (["curl", "-sSLo", "out", "-kXPOST", "x"], "curl -sSLo out -kXPOST x"),
        (["mysql", "-sNpgeheim", "db"], "mysql -sNp*** db"),
        (["mysql", "-tp", "db"], "mysql -tp db"),
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

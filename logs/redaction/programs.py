"""Which options, words and places of a command line hold a secret, program by program.

What can be told by a name (`--password`, `config set db.password X`) is no business of this table: it holds what only the
program's own manual says.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from logs.redaction.names import words


class Place(NamedTuple):
    """A secret that no option announces: the nth plain word behind another word.

    Attributes:
        number: which word, counted from 1.
        option: a letter of a short option without which the word there is no secret: `b` of `htpasswd -b`.
        less: a letter of a short option that takes one word away: `n` of `htpasswd -n`, which writes no file.
        looks: only what looks like a secret is one, as the same word may be a name: `vault login`.
        also: how many words after it may be the secret too: `AUTH X` and `AUTH user X`.
    """

    number: int
    option: str = ""
    less: str = ""
    looks: bool = False
    also: int = 0


class Grammar(NamedTuple):
    """The options of a program.

    Attributes:
        secret: options whose next word is a secret. A short one may have it glued on.
        glued: short options whose secret is always glued on: `-pX`.
        login: options with `user:secret`; a short one may have it glued on.
        apart: options whose next word is a secret, and which never have it glued on, as longer options begin with the same letters.
        reach: options whose next word, if it has an `@`, is `user:secret@place`; with the empty one, also a plain word is.
        items: plain words may be headers: `Name:secret`.
        pairs: options whose next word is `name=secret`.
        only: without this word, the short options mean something else.
        places: the secrets behind a word of the program, or behind the program itself (the empty word).
        takes: short options with a value of their own, which are not the words that are counted.
        slash: a plain word of the form `user/secret@place` holds a secret.
        switches: options may begin with a slash, as on Windows.
        bearer: with this word among the others, what `login` announces is a token alone.
        flags: letters of short options without a value, behind which one with a secret may stand in the same word: `-sSuann:X`.
    """

    secret: tuple[str, ...] = ()
    glued: tuple[str, ...] = ()
    login: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    items: bool = False
    pairs: tuple[str, ...] = ()
    only: str = ""
    places: Mapping[str, Place] = {}
    takes: tuple[str, ...] = ()
    slash: bool = False
    switches: bool = False
    bearer: str = ""
    flags: str = ""


_NONE: Final = Grammar()
_PASSWORD: Final = Grammar(secret=("-p",))
_LOGIN: Final = Grammar(secret=("-p",), only="login")
_TOKEN_LOGIN: Final = Grammar(places={"login": Place(1, looks=True)})
_REDIS: Final = Grammar(
    secret=("-a", "--pass"), places={"AUTH": Place(1, also=1), "auth": Place(1, also=1)}, takes=("-h", "-p", "-n")
)
PROGRAMS: Final[dict[str, Grammar]] = {
    **dict.fromkeys(
        words(
            "mysql mysqldump mysqlimport mysqlshow mysqlcheck mysqlbinlog mysqlpump mysqlslap mariadb mariadb-dump"
            " mariadb-import mariadb-backup xtrabackup innobackupex mydumper"
        ),
        Grammar(glued=("-p",), flags="ABCNbcfinqstvx"),
    ),
    **dict.fromkeys(words("mysqladmin mariadb-admin"), Grammar(glued=("-p",), places={"password": Place(1)})),
    **dict.fromkeys(
        words(
            "mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop sshpass cqlsh cypher-shell twine"
            " jboss-cli.sh asadmin rdesktop tabcmd usermod useradd vncdo ncftp ncftpget ncftpput hydra rabbitmqadmin elasticsearch-users"
            " altool esxcli psexec psexec64 PsExec PsExec64 psexec.py racadm beeline crackmapexec netexec nxc evil-winrm yt-dlp youtube-dl gallery-dl mutool"
            " smbmap ldapdomaindump bloodhound-python"
        ),
        _PASSWORD,
    ),
    **dict.fromkeys(
        words("docker podman nerdctl buildah skopeo helm oras crane az oc gcloud cf ibmcloud"),
        _LOGIN._replace(login=("--creds", "--src-creds", "--dest-creds")),
    ),
    **dict.fromkeys(words("redis-cli valkey-cli keydb-cli redis-benchmark valkey-benchmark"), _REDIS),
    "mysqlsh": Grammar(secret=("-p",), reach=("", "--uri")),
    "ansible-vault": Grammar(places={"encrypt_string": Place(1)}, takes=("--name", "--vault-id", "-n")),
    "mkpasswd": Grammar(places={"": Place(1)}, takes=("-m", "-S", "-R", "--method", "--salt", "--rounds")),
    "caddy": Grammar(secret=("--plaintext",)),
    "knife": Grammar(secret=("-P",)),
    "winrs": Grammar(glued=("-p:",)),
    "airflow": Grammar(secret=("-p",), only="create"),
    "sqlmap": Grammar(login=("--auth-cred",)),
    "teamviewer": Grammar(places={"passwd": Place(1)}),
    **dict.fromkeys(
        words("ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami ldappasswd ldapcompare"),
        Grammar(secret=("-w", "-s")),
    ),
    **dict.fromkeys(words("dsconf dsidm dsctl"), Grammar(secret=("-w",))),
    **dict.fromkeys(words("sqlcmd mssql-cli bcp isql tsql osql"), Grammar(secret=("-P",))),
    **dict.fromkeys(
        words("zip unzip zipcloak ipmitool mosquitto_pub mosquitto_sub mosquitto_rr"),
        Grammar(secret=("-P",)),
    ),
    **dict.fromkeys(words("plink pscp psftp"), Grammar(secret=("-pw",))),
    **dict.fromkeys(words("7z 7za 7zr 7zz rar unrar"), Grammar(glued=("-p", "-hp"))),
    **dict.fromkeys(
        words("snmpget snmpwalk snmpset snmpbulkwalk snmptrap snmpgetnext"), Grammar(secret=("-A", "-X", "-c"))
    ),
    "openssl": Grammar(apart=("-k", "-K", "-hmac"), places={"passwd": Place(1)}, takes=("-salt", "-in")),
    "ssh-keygen": Grammar(secret=("-N", "-P")),
    "curl": Grammar(
        login=("-u", "--user", "-U", "--proxy-user", "-E", "--cert"),
        pairs=("-b", "--cookie"),
        secret=("--oauth2-bearer", "--pass", "--proxy-pass"),
        reach=("-x", "--proxy", "--preproxy", "--socks5"),
        flags="#0346BGIJLMNORSZafgijklnpqsv",
    ),
    **dict.fromkeys(words("http https xh xhs"), Grammar(login=("-a", "--auth"), items=True, bearer="bearer")),
    **dict.fromkeys(words("swaks sendemail sendEmail"), Grammar(apart=("-ap", "-xp"))),
    "sendmail": Grammar(glued=("-ap",)),
    **dict.fromkeys(
        words("pdftotext pdfinfo pdfimages pdftoppm pdftocairo pdffonts pdfunite pdfseparate pdftohtml"),
        Grammar(apart=("-upw", "-opw")),
    ),
    "pdftk": Grammar(places={"owner_pw": Place(1), "user_pw": Place(1), "input_pw": Place(1)}),
    "qpdf": Grammar(places={"--encrypt": Place(1, also=1)}),
    **dict.fromkeys(words("kadmin kadmin.local ipa-client-install ipa-replica-install"), Grammar(secret=("-w",))),
    "certutil": Grammar(apart=("-p",)),
    "db2": Grammar(places={"using": Place(1)}),
    "transmission-remote": Grammar(login=("-n", "--auth")),
    "rclone": Grammar(places={"obscure": Place(1)}),
    "ConvertTo-SecureString": Grammar(secret=("-String",), places={"": Place(1)}),
    **dict.fromkeys(
        words(
            "impacket-psexec impacket-wmiexec impacket-smbexec impacket-secretsdump impacket-smbclient impacket-mssqlclient wmiexec.py"
            " smbexec.py secretsdump.py mssqlclient.py GetUserSPNs.py GetNPUsers.py"
        ),
        Grammar(reach=("",)),
    ),
    "mount.cifs": _NONE,
    "smbclient": Grammar(
        login=("-U", "--user"),
        places={"": Place(2)},
        takes=("-U", "-c", "-I", "-W", "-D", "-p", "-m", "-t", "-T", "-A"),
    ),
    "rpcclient": Grammar(login=("-U", "--user")),
    "net": Grammar(login=("-U",), places={"user": Place(2), "use": Place(2, looks=True, also=1)}, switches=True),
    "security": Grammar(secret=("-w", "-P"), places={"unlock-keychain": Place(1, option="p")}),
    **dict.fromkeys(words("xfreerdp xfreerdp3 wlfreerdp mstsc"), Grammar(login=("-U",))),
    "lftp": Grammar(login=("-u", "--user")),
    "etcdctl": Grammar(login=("--user",)),
    "ab": Grammar(login=("-A", "-P")),
    **dict.fromkeys(words("influx doctl"), Grammar(secret=("-t",))),
    **dict.fromkeys(
        words("bitcoin-cli litecoin-cli dogecoin-cli"),
        Grammar(
            places={
                **dict.fromkeys(("walletpassphrase", "encryptwallet", "importprivkey"), Place(1)),
                "walletpassphrasechange": Place(1, also=1),
            }
        ),
    ),
    "htpasswd": Grammar(places={"": Place(3, option="b", less="n")}, takes=("-C", "-r")),
    "mosquitto_passwd": Grammar(places={"": Place(3, option="b")}),
    "rabbitmqctl": Grammar(
        places={"add_user": Place(2), "change_password": Place(2), "authenticate_user": Place(2)}, takes=("-n", "-t")
    ),
    "wpa_passphrase": Grammar(places={"": Place(2)}),
    "iwconfig": Grammar(places={"key": Place(1)}),
    "samba-tool": Grammar(places={"create": Place(2), "add": Place(2)}),
    **dict.fromkeys(words("mc mcli"), Grammar(places={"set": Place(4), "add": Place(4)})),
    "bw": Grammar(places={"unlock": Place(1), "login": Place(2)}),
    **dict.fromkeys(words("wandb cargo"), _TOKEN_LOGIN),
    "vault": Grammar(places={"login": Place(1, looks=True), "unseal": Place(1, looks=True)}),
    "snyk": Grammar(places={"auth": Place(1, looks=True)}),
    "drush": Grammar(places={"user:password": Place(2), "user-password": Place(2), "upwd": Place(2)}),
    **dict.fromkeys(words("sqlplus rman expdp impdp sqlldr"), Grammar(slash=True)),
    "schtasks": Grammar(secret=("/rp",)),
    "signtool": Grammar(secret=("/p",)),
    "nuget": Grammar(secret=("-k",), places={"setapikey": Place(1), "setApiKey": Place(1)}),
    "gitlab-runner": Grammar(secret=("-r",), only="register"),
    "poetry": Grammar(secret=("-p",), only="publish", places={"config": Place(3)}),
    "composer": Grammar(places={"config": Place(3)}),
    "gh": Grammar(secret=("-b", "--body"), only="secret"),
    "ngrok": Grammar(places={"authtoken": Place(1), "add-authtoken": Place(1)}),
    "grafana-cli": Grammar(places={"reset-admin-password": Place(1)}),
    "neo4j-admin": Grammar(places={"set-initial-password": Place(1)}),
    "consul": Grammar(apart=("-encrypt",), places={"set-agent-token": Place(2)}),
    **dict.fromkeys(
        words(
            "dotnet aws kubectl npm pnpm yarn pip pip3 pipx git hg svn dvc pulumi nmcli glab heroku"
            " fly flyctl doppler wrangler conda firebase vercel netlify railway s3cmd gsutil redis-server valkey-server"
            " secret-tool argocd okteto serverless terraform tofu ansible-playbook wget psql htdigest keytool mount restic borg"
        ),
        _NONE,
    ),
}
"""Programs by name. One without options of its own is here so that its words are read as a command line within a text."""

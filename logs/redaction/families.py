"""Secrets that are known by their own form, whatever stands before them."""

import re
from typing import Final

from logs.redaction.late import late

_WORDY: Final = r"[A-Za-z0-9_-]"
_PLAIN: Final = r"[A-Za-z0-9]"
FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    # OpenAI, Anthropic, OpenRouter, DeepSeek; Stripe
    (r"sk-(?:proj-|ant-|or-|svcacct-|admin-)?", rf"{_WORDY}{{16,}}"),
    (r"(?:[srp]k|rzp)_(?:live|test)_", rf"{_PLAIN}{{10,}}"),
    (r"whsec_", r"[A-Za-z0-9+/=_-]{16,}"),
    (r"hf_(?:oauth_)?", rf"{_PLAIN}{{16,}}"),
    (r"(?:rpa|e2b|fo1|sb_secret)_", rf"{_WORDY}{{24,}}"),
    (r"vercel_blob_rw_", rf"{_WORDY}{{24,}}"),
    (r"AQVN", rf"{_WORDY}{{32,}}"),
    (r"gsk_", rf"{_PLAIN}{{16,}}"),
    (r"(?:xai-|pplx-|tvly-(?:dev-)?|jina_|fw_)", rf"{_PLAIN}{{24,}}"),
    (r"nvapi-", rf"{_WORDY}{{24,}}"),
    (r"r8_", rf"{_PLAIN}{{30,}}"),
    (r"lsv2_(?:pt|sk)_", rf"{_WORDY}{{20,}}"),
    (r"(?:bedrock-api-key-|ABSK)", r"[A-Za-z0-9+/=]{40,}"),
    (r"wk-", rf"{_WORDY}{{40,}}"),  # a program's key for Watchkeeper's own gateway
    # code and packages
    (r"gh[pousr]_", rf"{_PLAIN}{{16,}}"),
    (r"github_pat_", r"[A-Za-z0-9_]{16,}"),
    (r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas)-", rf"{_WORDY}{{16,}}"),
    (r"npm_", rf"{_PLAIN}{{30,}}"),
    (r"pypi-", rf"{_WORDY}{{30,}}"),
    (r"rubygems_", rf"{_PLAIN}{{30,}}"),
    (r"dckr_(?:pat|oat)_", rf"{_WORDY}{{20,}}"),
    (r"AT(?:ATT|CTT|BB)", r"[A-Za-z0-9_=.-]{24,}"),
    (r"(?:sntrys|sntryu)_", r"[A-Za-z0-9_=+/-]{24,}"),
    (r"GR1348941", rf"{_WORDY}{{16,}}"),
    (r"sgp_(?:[a-f0-9]{16}_|local_)?", r"[a-f0-9]{40,}"),
    (r"s?q[apu]_", r"[a-f0-9]{40,}"),
    (r"CCIP(?:AT|RJ)_", rf"{_WORDY}{{20,}}"),
    (r"bkua_", r"[a-f0-9]{40,}"),
    (r"pul-", r"[a-f0-9]{40,}"),
    (r"CFPAT-", rf"{_WORDY}{{40,}}"),
    (r"nfp_", rf"{_PLAIN}{{36,}}"),
    (r"rnd_", rf"{_PLAIN}{{28,}}"),
    (r"FlyV1 fm[12]_", r"[A-Za-z0-9+/=]{40,}"),
    (r"ops_eyJ", r"[A-Za-z0-9_=-]{40,}"),
    # chat
    (r"xox[abcdeoprs](?:\.xox[bp])?-", r"[A-Za-z0-9%-]{8,}"),
    (r"xapp-", r"[A-Za-z0-9-]{8,}"),
    (r"live_\d{6,12}_", rf"{_PLAIN}{{20,}}"),
    # clouds
    (r"(?:AKIA|ASIA)", r"[A-Z0-9]{16}\b"),
    (r"LTAI", rf"{_PLAIN}{{16,}}"),
    (r"AIza", rf"{_WORDY}{{30,}}"),
    (r"ya29\.", r"[A-Za-z0-9_.-]{16,}"),
    (r"GOCSPX-", rf"{_WORDY}{{20,}}"),
    (r"1//0", rf"{_WORDY}{{24,}}"),
    (r"do[opr]_v1_", r"[a-f0-9]{32,}"),
    (r"dapi", r"[a-f0-9]{32,}"),
    (r"hv[sbr]\.", rf"{_WORDY}{{16,}}"),
    (r"tskey-[a-z]+-", rf"{_WORDY}{{16,}}"),
    (r"sbp_", r"[a-f0-9]{32,}"),
    (r"pscale_(?:tkn|pw|oauth)_", r"[A-Za-z0-9_.-]{24,}"),
    (r"dp\.(?:pt|st|ct|sa|scim|audit)\.", r"[A-Za-z0-9_.-]{24,}"),
    (r"AGE-SECRET-KEY-1", r"[A-Z0-9]{30,}"),
    # services
    (r"SG\.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    (r"xkeysib-", rf"{_WORDY}{{30,}}"),
    (r"shp(?:at|ca|pa|ss)_", r"[A-Fa-f0-9]{24,}"),
    (r"(?:glsa|glc)_", r"[A-Za-z0-9_=+/-]{24,}"),
    (r"NRAK-", rf"{_PLAIN}{{20,}}"),
    (r"PMAK-", r"[A-Za-z0-9-]{30,}"),
    (r"figd_", rf"{_WORDY}{{24,}}"),
    (r"sq0(?:atp|csp|idp)-", rf"{_WORDY}{{20,}}"),
    (r"amzn\.mws\.", r"[a-f0-9-]{36}"),
    (r"NRII-", rf"{_WORDY}{{28,}}"),
    (r"phx_", rf"{_PLAIN}{{40,}}"),
    (r"sl\.", rf"{_WORDY}{{120,}}"),
    (r"eyJrIjoi", r"[A-Za-z0-9+/=]{30,}"),
    (r"gAAAAA", r"[A-Za-z0-9_=-]{60,}"),  # Fernet
    (r"v[1-4]\.(?:local|public)\.", rf"{_WORDY}{{40,}}"),  # PASETO
    (r"EZ[AT]K", rf"{_PLAIN}{{50,}}"),
    (r"y[0-3]_A", rf"{_WORDY}{{40,}}"),
    (r"LS0tLS1CRUdJTiB(?:SU0E|FQ|QUklW|PUEVO|FTkNS|EU0E)", r"[A-Za-z0-9+/=]{8,}"),  # a private key in base64
    (r"TlRMTVNTUA", r"[A-Za-z0-9+/=]{8,}"),
    (r"base64url\.bearer\.authorization\.k8s\.io\.", rf"{_WORDY}{{8,}}"),
    (r"lin_(?:api|oauth)_", rf"{_PLAIN}{{24,}}"),
    (r"ntn_", rf"{_PLAIN}{{30,}}"),
    (r"pat-(?:na|eu)\d-", r"[A-Za-z0-9-]{24,}"),
    (r"\d{8,10}:AA", rf"{_WORDY}{{32,}}"),  # a Telegram bot
    # JSON web tokens: header.payload[.signature], each base64url of a JSON object
    (r"eyJ", r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),
)
"""What a family begins with, which is kept, and what follows, which is hidden."""
LOOSE: Final[tuple[tuple[str, str, str], ...]] = (
    (
        r"[MNO]",
        rf"[A-Za-z0-9]{{22,27}}\.{_WORDY}{{6}}\.{_WORDY}{{27,}}",
        rf"[MNO]{_PLAIN}{{12,}}\.{_WORDY}{{6}}\.",
    ),  # a Discord bot
    (r"s\.", rf"{_PLAIN}{{24}}(?!\w)", rf"(?:\A|[^\w.])s\.{_PLAIN}{{8}}"),  # Vault before 1.10
    (r"(?:key|oauth)[-:]", r"[a-z0-9]{30,32}(?!\w)", r"(?:key|oauth)[-:][a-z0-9]{8}"),  # Mailgun, Twitch
    (r"cio", rf"{_PLAIN}{{32}}(?!\w)", rf"cio{_PLAIN}{{8}}"),  # crates.io
    (r"oy2", r"[a-z0-9]{43}(?!\w)", r"oy2[a-z0-9]{8}"),  # NuGet
    (r"secret_", rf"{_PLAIN}{{43}}(?!\w)", rf"secret_{_PLAIN}{{8}}"),  # Notion
    (r"EAA[A-Z]", rf"{_PLAIN}{{20,}}", rf"EAA[A-Z]{_PLAIN}{{8}}"),  # Facebook, Square
    (r"A{20}", r"[A-Za-z0-9%_-]{40,}", r"A{20}"),  # Twitter
    (r"", rf"{_PLAIN}{{14}}\.atlasv1\.{_WORDY}{{40,}}", r"\.atlasv1\."),  # Terraform Cloud
    (r"", r"[a-f0-9]{32}(?=-us\d{1,2}(?!\w))", r"[a-f0-9]-us\d"),  # Mailchimp
)
"""Families whose mark says little: what follows must have a digit and a letter too. The third: what RE2 is asked for."""
HASHES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"\$(?:argon2(?:id|i|d)|2[abxy]|apr1|P|H|scrypt|pbkdf2(?:-sha\d+)?|bcrypt-sha256|y|gy|7|[156])\$",
        r"[A-Za-z0-9./+=,$*-]{16,}",
    ),
    (r"(?:pbkdf2_sha\d+|bcrypt_sha256|argon2|scrypt)\$", r"[A-Za-z0-9./+=,$-]{20,}"),
    (r"\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[\w-]{0,12}|ARGON2)\}", r"[A-Za-z0-9+/=$.,]{12,}"),
)
"""Password hashes: they can be guessed from."""
_BEFORE: Final = r"(?<![A-Za-z0-9_])"
FAMILY: Final = late(
    "|".join(rf"{_BEFORE}(?P<f{number}>{head}){rest}" for number, (head, rest) in enumerate((*FAMILIES, *HASHES)))
)
_LOOSE: Final = late(
    "|".join(rf"(?P<f{number}>{_BEFORE}{head})(?P<v{number}>{rest})" for number, (head, rest, _) in enumerate(LOOSE))
)
_MIXED: Final = late(r"(?=\D*\d)(?=[^A-Za-z]*[A-Za-z])")
PREFIX: Final = "|".join(head for head, _ in (*FAMILIES, *HASHES))
"""What stands before `***` where a secret of a family was hidden."""
_LEAST: Final = late(r"\{(\d+),\}$")


def _begins(head: str, rest: str) -> str:
    """An expression for RE2 that the family matches, short enough for a whole block of lines."""
    return head + _LEAST.sub(lambda match: f"{{{min(8, int(match[1]))}}}", rest.removesuffix(r"\b"))


SUSPECT: Final = "|".join(
    [*(_begins(head, rest) for head, rest in (*FAMILIES, *HASHES)), *(suspect for _, _, suspect in LOOSE)]
)
"""For RE2: every text with a secret of a family matches it."""


def hide_families(text: str) -> str:
    """The text with these secrets hidden."""
    return _LOOSE.sub(_hide_loose, FAMILY.sub(lambda match: f"{match[match.lastgroup or 0]}***", text))


def _hide_loose(match: re.Match[str]) -> str:
    number = (match.lastgroup or "")[1:]
    return f"{match[f'f{number}']}***" if _MIXED.match(match[f"v{number}"]) else match[0]

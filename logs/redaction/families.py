"""Secrets that are known by their own form, whatever stands before them."""

import re
from typing import Final

_WORDY: Final = r"[A-Za-z0-9_-]"
_PLAIN: Final = r"[A-Za-z0-9]"
FAMILIES: Final[tuple[tuple[str, str], ...]] = (
    # OpenAI, Anthropic, OpenRouter, DeepSeek; Stripe
    (r"sk-(?:proj-|ant-|or-|svcacct-|admin-)?", rf"{_WORDY}{{16,}}"),
    (r"[srp]k_(?:live|test)_", rf"{_PLAIN}{{10,}}"),
    (r"whsec_", r"[A-Za-z0-9+/=_-]{16,}"),
    (r"hf_", rf"{_PLAIN}{{16,}}"),
    (r"gsk_", rf"{_PLAIN}{{16,}}"),
    (r"(?:xai-|pplx-|tvly-(?:dev-)?|jina_|fw_)", rf"{_PLAIN}{{24,}}"),
    (r"nvapi-", rf"{_WORDY}{{24,}}"),
    (r"r8_", rf"{_PLAIN}{{30,}}"),
    (r"lsv2_(?:pt|sk)_", rf"{_WORDY}{{20,}}"),
    (r"wk-", rf"{_WORDY}{{40,}}"),  # a program's key for Watchkeeper's own gateway
    # code and packages
    (r"gh[pousr]_", rf"{_PLAIN}{{16,}}"),
    (r"github_pat_", r"[A-Za-z0-9_]{16,}"),
    (r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-", rf"{_WORDY}{{16,}}"),
    (r"npm_", rf"{_PLAIN}{{30,}}"),
    (r"pypi-", rf"{_WORDY}{{30,}}"),
    (r"rubygems_", rf"{_PLAIN}{{30,}}"),
    (r"dckr_(?:pat|oat)_", rf"{_WORDY}{{20,}}"),
    (r"AT(?:ATT|CTT|BB)", r"[A-Za-z0-9_=.-]{24,}"),
    (r"(?:sntrys|sntryu)_", r"[A-Za-z0-9_=+/-]{24,}"),
    # chat
    (r"xox[abeoprs]-", r"[A-Za-z0-9-]{8,}"),
    (r"xapp-", r"[A-Za-z0-9-]{8,}"),
    # clouds
    (r"(?:AKIA|ASIA)", r"[A-Z0-9]{16}\b"),
    (r"LTAI", rf"{_PLAIN}{{16,}}"),
    (r"AIza", rf"{_WORDY}{{30,}}"),
    (r"ya29\.", rf"{_WORDY}{{16,}}"),
    (r"GOCSPX-", rf"{_WORDY}{{20,}}"),
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
    (r"lin_(?:api|oauth)_", rf"{_PLAIN}{{24,}}"),
    (r"ntn_", rf"{_PLAIN}{{30,}}"),
    (r"pat-(?:na|eu)\d-", r"[A-Za-z0-9-]{24,}"),
    (r"\d{8,10}:AA", rf"{_WORDY}{{32,}}"),  # a Telegram bot
    # JSON web tokens: header.payload[.signature], each base64url of a JSON object
    (r"eyJ", r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?"),
)
"""What a family begins with, which is kept, and what follows, which is hidden."""
HASHES: Final[tuple[tuple[str, str], ...]] = (
    (
        r"\$(?:argon2(?:id|i|d)|2[abxy]|scrypt|pbkdf2(?:-sha\d+)?|bcrypt-sha256|y|gy|7|[156])\$",
        r"[A-Za-z0-9./+=,$*-]{16,}",
    ),
    (r"(?:pbkdf2_sha\d+|bcrypt_sha256|argon2|scrypt)\$", r"[A-Za-z0-9./+=,$-]{20,}"),
)
"""Password hashes: they can be guessed from."""
_BEFORE: Final = r"(?<![A-Za-z0-9_])"
FAMILY: Final = re.compile(
    "|".join(rf"{_BEFORE}(?P<f{number}>{head}){rest}" for number, (head, rest) in enumerate((*FAMILIES, *HASHES)))
)
PREFIX: Final = "|".join(head for head, _ in (*FAMILIES, *HASHES))
"""What stands before `***` where a secret of a family was hidden."""
_LEAST: Final = re.compile(r"\{(\d+),\}$")


def _begins(head: str, rest: str) -> str:
    """An expression for RE2 that the family matches, short enough for a whole block of lines."""
    return head + _LEAST.sub(lambda match: f"{{{min(12, int(match[1]))}}}", rest.removesuffix(r"\b"))


SUSPECT: Final = "|".join(_begins(head, rest) for head, rest in (*FAMILIES, *HASHES))
"""For RE2: every text with a secret of a family matches it."""


def hide_families(text: str) -> str:
    """The text with these secrets hidden."""
    return FAMILY.sub(lambda match: f"{match[match.lastgroup or 0]}***", text)

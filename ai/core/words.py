"""What servers say where no answer is, as words that can be shown to a person: no markup, no control characters, no bytes that are no text."""

import html
import re
from typing import Final
from urllib.parse import urlsplit

_MAX_PAGE: Final = 50_000
_MOST_PLACE: Final = 300
_PAGE: Final = re.compile(r"<(!doctype html|html|head|body|title|center|h1)\b", re.IGNORECASE)
_TITLE: Final = re.compile(r"<(title|h1|h2)[^>]{0,200}>(.{0,400}?)</\1", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]{0,200}>")
_NO_HTTP: Final = re.compile(r"illegal|malformed|bad status|invalid (status|header)", re.IGNORECASE)
_TLS: Final = re.compile(r"\\x1[56]\\x03")
_SSL: Final = re.compile(r"\[SSL[:\]]")
_CERTIFICATE: Final = re.compile(r"certificate verify failed:? ?(?P<why>[^(\[]{0,200})", re.IGNORECASE)
_NO_TLS: Final = re.compile(
    r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST|UNKNOWN_PROTOCOL|PACKET_LENGTH_TOO_LONG"
)
_COLOURS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]{0,200}(?:\x07|\x1b\\)")
_NO_TEXT: Final = 0.05
"""From this part of characters on that are none, a body is no text."""


def page_words(text: str) -> str | None:
    """What a web page in place of an answer says, from its title or first heading; None for what is no page."""
    if not _PAGE.search(text[:2000]):
        return None
    found = _TITLE.search(text[:_MAX_PAGE])
    title = " ".join(html.unescape(_TAG.sub(" ", found.group(2))).split()) if found else ""
    return f"a web page, “{title[:100]}”" if title and "<" not in title else "a web page without a reason"


def plain_words(text: str) -> str:
    """Words on one line, without colours of terminals and other control characters; nothing of what is no text."""
    bare = _COLOURS.sub("", text)
    strange = sum(not (c.isprintable() or c.isspace()) or c == "\ufffd" for c in bare)
    if strange > max(2, _NO_TEXT * len(bare)):
        return ""
    return " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in bare).split())


def place_of(location: str) -> str:
    """Where a redirect leads, without what may be secret in it."""
    try:
        parts = urlsplit(location.strip())
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "another address"
    host = parts.hostname or ""
    where = (
        f"{parts.scheme or 'http'}://{f'[{host}]' if ':' in host else host}{port}{parts.path}" if host else parts.path
    )
    return plain_words(where)[:_MOST_PLACE] or "another address"


def tls_words(said: str) -> str:
    """What is wrong where no TLS connection could be made, and what to do, by the words of OpenSSL; empty where it was something else."""
    if (found := _CERTIFICATE.search(said)) is not None:
        why = plain_words(found["why"]).rstrip(". ")
        advice = (
            "name it by the host that the certificate is for"
            if "mismatch" in why.lower()
            else "start Watchkeeper with SSL_CERT_FILE set to the file of its authority, or have the certificate renewed"
        )
        return f"its certificate is not trusted ({why}): {advice}"
    if _NO_TLS.search(said):
        return "it does not speak TLS: write http://"
    return f"no TLS connection can be made ({plain_words(said)[:_MOST_PLACE]})" if _SSL.search(said) else ""


def foreign_words(said: str) -> str:
    """What it means when a client complains that an answer is not HTTP; empty where it does not."""
    if not _NO_HTTP.search(said):
        return ""
    return (
        "it expects TLS: write https://" if _TLS.search(said) else "what answers there does not speak HTTP as expected"
    )

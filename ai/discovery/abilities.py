"""What a model of a listing can do: every server says it in a field and in words of its own, and many say nothing."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_FIELDS: Final = (
    "type", "model_type", "kind", "task", "tasks", "mode", "runner", "category", "pipeline_tag", "usecases", "known_usecases", "model_ability",
    "endpoints", "supported_endpoints", "supportedGenerationMethods", "capabilities",
)  # fmt: skip
"""Where servers say it: as a word, a list of words, or an object whose keys are the words (with true, or with what belongs to them)."""
_INSIDE: Final = ("model_info", "info", "details", "meta", "metadata", "architecture")
_CHAT: Final = re.compile(
    r"(^|[-_/ .])(llm|vlm|mllm|chat|completions?|generate|generatecontent|text-generation|text2text-generation|conversational|(image|audio|any|video)-text-to-text|any-to-any"
    r"|causal(lm)?|language|code|instruct|chat-completions?|multimodal)$"
)
_EMBEDS: Final = re.compile(r"embed|feature-extraction|sentence-similarity")
_OTHER: Final = re.compile(
    r"re-?rank|(^|[-_/ ])(score|ranking|pooling|reward|classif\w*|moderations?|audio|speech|tts|stt|asr|images?|videos?|music|ocr|diffusion|depth|completion-fim|segmentation|detection)([-_/ ]|$)"
    r"|transcri|speech-recognition|text-to-(image|speech|audio|video)"
)
_SENTENCES: Final = 60
"""Characters from which on it is a description, not a word."""


def abilities(item: Mapping[str, Any]) -> list[str]:
    """What a model can do by its row of a listing: `completion` for one that chats, `embedding`, else the server's own word; empty where it says nothing of it."""
    rows = [item, *(inner for name in _INSIDE if isinstance(inner := item.get(name), Mapping))]
    words = [word for row in rows for field in _FIELDS for word in _words(row.get(field))]
    chats, denied = _said_outright(rows)
    made = _modalities(rows)
    if chats or (not denied and any(_chats(word) for word in words)):
        return ["completion"]
    if any(_EMBEDS.search(word) for word in words) or any("embed" in word for word in made):
        return ["embedding"]
    other = next((word for word in words if _OTHER.search(word)), "")
    if other or denied or (made and "text" not in made):
        return [other or next(iter(sorted(made)), "other")]
    return []


def _chats(word: str) -> bool:
    return _CHAT.search(word) is not None and not _EMBEDS.search(word)


def _said_outright(rows: Iterable[Mapping[str, Any]]) -> tuple[bool, bool]:
    """Whether a server says that a model chats (`completion_chat: true`), and whether it says that it does not."""
    said = [
        value
        for row in rows
        for part in (row, row.get("capabilities"))
        if isinstance(part, Mapping)
        for name, value in part.items()
        if isinstance(value, bool) and "chat" in str(name).lower()
    ]
    return any(said), bool(said) and not any(said)


def _modalities(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    """What comes out of a model, where a server says so; a transcript of sound is no answer."""
    for row in rows:
        out = next((row[name] for name in ("output_modalities", "supported_output_modalities") if isinstance(row.get(name), list)), None)  # fmt: skip
        if out:
            into = row.get("input_modalities") or row.get("supported_input_modalities") or ["text"]
            return set(_words(out)) if "text" in _words(into) else {"transcription"}
    return set()


def _words(said: object) -> list[str]:
    """The words of a field, in small letters."""
    if isinstance(said, str):
        word = said.strip().lower().removeprefix("flag_")
        word = re.sub(r"[_ ]+", "-", word)
        return [word] if word and len(word) <= _SENTENCES else []
    if isinstance(said, Mapping):
        return [
            word for name, value in said.items() if value is not False and value is not None for word in _words(name)
        ]
    return [word for one in said for word in _words(one)] if isinstance(said, list | tuple) else []

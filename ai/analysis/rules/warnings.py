"""Red flags: what should make a reader careful, in the posting's own words; and orders to a model, which are no part of what a job is."""

import re
from typing import Final

from ai.analysis.rules.layout import Hit
from ai.analysis.rules.lexicon.vocabulary import RED_FLAGS

_ORDER: Final = re.compile(
    r"(?:\b(?:ignore|disregard|forget|override|bypass)\s+(?:all\s+|any\s+|the\s+|your\s+|everything\s+)*(?:of\s+the\s+)?(?:previous|prior|above|earlier|preceding|posting|instructions?|prompts?|rules)"
    r"|\b(?:ignoriere|vergiss|missachte)\s+(?:alle\s+|die\s+|deine\s+)*(?:vorherigen|bisherigen|obigen|Anweisungen)|\bignora\s+(?:todas\s+)?(?:las|tus)\s+(?:instrucciones|indicaciones)|\bignore[zr]?\s+(?:toutes\s+)?(?:les|vos|tes)\s+(?:instructions|consignes)|\bignor[ae]\s+(?:todas\s+)?(?:as|le|tutte le)\s+(?:instruções|istruzioni)|\bnegeer\s+(?:alle\s+)?(?:vorige|eerdere|bovenstaande)"
    r"|^[^\w\n]{0,10}(?:system|assistant)\s*:|<\|im_|\b(?:dear |attention |note (?:to|for) |hinweis an |an alle |para (?:la|el) |pour l['’])(?:the )?(?:AI|KI|IA|LLM|language model|chatbot|assistant|ChatGPT|GPT)(?:[- ]\w+)?\b|\bas an AI\b|\bif you are an? (?:AI|LLM|language model)"
    r"|\b(?:set|output|report|return|respond with|print)\s+(?:only\s+)?[\"“'](?:title|salary|company)|\byou are now\b)",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_DENIED: Final = re.compile(
    r"(?:\bno|\bnot|\bnever|\bkeine?|\bsin|\bpas d['’e]?|don['’]t|ohne|\bnon)\s+(?:\w+\s+){0,2}$", re.IGNORECASE
)


def without_orders(text: str) -> str:
    """The text with orders to a model blanked out (same length)."""
    kept = text
    for start, end in _orders(text):
        kept = kept[:start] + " " * (end - start) + kept[end:]
    return kept


def _orders(text: str) -> list[tuple[int, int]]:
    """Spans from the beginning of the sentence that gives an order to the end of its line, at most 30 of them."""
    spans: list[tuple[int, int]] = []
    for match in _ORDER.finditer(text):
        if spans and match.start() < spans[-1][1]:
            continue
        start = max(text.rfind(mark, 0, match.start()) for mark in ".!?\n") + 1
        end = text.find("\n", match.end())
        spans.append((start, len(text) if end < 0 else end))
        if len(spans) == 30:
            break
    return spans


def find_red_flags(text: str) -> list[Hit]:
    """What should make a reader careful: one hit a kind, in order; orders to a model first of all."""
    hits = [_trimmed(text[start:end], start) for start, end in _orders(text)[:3]]
    for pattern in RED_FLAGS:
        match = re.search(rf"(?<!\w)(?:{pattern})", text, re.IGNORECASE)
        if match is None or _DENIED.search(text[: match.start()][-24:]):
            continue
        hit = _trimmed(match.group(), match.start())
        if not any(other.start < hit.end and hit.start < other.end for other in hits):
            hits.append(hit)
    return sorted(hits, key=lambda h: h.start)[:12]


def _trimmed(whole: str, at: int) -> Hit:
    value = whole.strip(" \n\t-–>!<*")[:160].rstrip()
    start = at + whole.find(value)
    return Hit(value, start, start + len(value))

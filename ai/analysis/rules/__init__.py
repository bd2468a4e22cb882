"""Extraction by rules, without a model."""

from ai.analysis.rules.extractor import Draft, extract
from ai.analysis.rules.layout import Hit
from ai.analysis.rules.pay import PayHit

__all__ = ["Draft", "Hit", "PayHit", "extract"]

"""Opinions of a model on log records and on spikes: what it is given (`evidence`, `spike`), and the questions under way (`desk`)."""

from monitor.api.opinions.desk import OpinionDesk, Question, TooManyAsked
from monitor.api.opinions.evidence import Evidence, Item, bounds, filtered, named
from monitor.api.opinions.spike import spike

__all__ = ["Evidence", "Item", "OpinionDesk", "Question", "TooManyAsked", "bounds", "filtered", "named", "spike"]

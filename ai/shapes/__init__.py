"""The shapes of what `ai` answers, as pydantic models: engines, postings, opinions, benchmarks. The API and its client use the same classes.

Nothing here imports more than pydantic and `ai.core`, so that a page can load it at its start. Durations are seconds, sizes bytes, times microseconds
since the epoch; None is *not available*.
"""

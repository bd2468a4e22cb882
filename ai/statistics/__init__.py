"""Intervals, paired comparisons and sequential tests: numbers come in, estimates with their bounds go out. Knows nothing of engines."""

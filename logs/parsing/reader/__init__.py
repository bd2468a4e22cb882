"""Learns from a file's own lines how it writes its records: where time, level, pid and logger stand. Lines come in, a `Layout` (and the format it makes) goes out."""

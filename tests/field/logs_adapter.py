"""Where the field cases about logs find the reader."""

from logs import parse_file

__all__ = ["parse_file"]

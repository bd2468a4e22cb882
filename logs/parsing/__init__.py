"""Lines to records: bytes of a file come in; records with time, level, logger, pid and message go out."""

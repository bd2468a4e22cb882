"""The errors of `logs`: something a person can do something about.

LogsError            a filter, a path or a format is wrong
└── StorageError     records cannot be stored, or asked for, now
"""


class LogsError(Exception):
    """A filter, a path or a format is wrong; `hint` says what would be right.

    Args:
        message: what happened, one sentence.
        hint: what to do about it, one sentence; empty when there is nothing to do.
    """

    exit_code: int = 2
    """What the command line ends with."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class StorageError(LogsError):
    """Records cannot be stored, or asked for, now."""

    exit_code = 4

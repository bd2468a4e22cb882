"""Which open files may be logs, by their names, folders and writers. What they hold is looked at by others."""

import re
from typing import Final

_LOG: Final = re.compile(
    r"(?:^|[._\-])(?:log|logs|out|err|stdout|stderr|trace|messages|syslog|console|nohup|output|debug)(?:[._\-]|$|\d)|\.(?:log|jsonl|ndjson|txt|out|err)(?:[.\-]\d[\w.\-]*)?$|log$",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"(?:catalog|dialog|change-?log|backlog|analog|prolog|epilog|(?<!we)blog)$", re.IGNORECASE)
"""English words that end as names of logs do."""
_SURELY: Final = re.compile(r"\.log(?:[.\-]\d[\w.\-]*)?$", re.IGNORECASE)
_NEVER: Final = re.compile(
    r"(?:/core(?:\.\d+)?|/a\.out|\.(?:db|sqlite\d?|db3|duckdb|wal|shm|lock|lck|pid|sock|swp|swo|tmp|part|crdownload|parquet|arrow|feather|npy|npz|pt|pth|bin|gguf|safetensors|onnx|pyc|so|o|a|obj|dll|dylib|rlib|rmeta|class|jar|whl|deb|wasm|png|jpe?g|gif|mp[34]|mkv|webm|wav|webp|ico|ttf|woff2?|pdf|zip|gz|zst|xz|bz2|7z|tar"
    r"|ipynb|pickle|pkl|cache|idx|pack|journal|ldb|sst|history|csv|tsv|html?|py|js|css|md|toml|ya?ml)|-wal|-journal|-shm|_history|~)$",
    re.IGNORECASE,
)
_DOCUMENT: Final = re.compile(
    r"(?:^|[^a-z])(?:licen[sc]es?|copying|copyright|notices?|readme|change-?log|authors|contributors|contributing|requirements|cmakelists|robots|top_level|entry_points|third_?party\w*)"
    r"(?:[^a-z.][^.]*)?(?:\.txt)?$",
    re.IGNORECASE,
)
"""Texts that come with a program."""
_KEPT: Final = re.compile(
    r"/(?:node_modules|bower_components|site-packages|dist-packages|_cacache|__pycache__|\.git|\.hg|\.svn|\.cargo/registry|\.m2|\.gradle|pkg/mod|\.nuget|\.?caches?)/",
    re.IGNORECASE,
)
"""Folders of packages and caches: texts in them are installed or kept there, unless their name says `.log`."""
_LINES_OF_JSON: Final = re.compile(r"\.(?:jsonl|ndjson)(?:[.\-]\d[\w.\-]*)?$", re.IGNORECASE)
_TOLD: Final = re.compile(r"log|event|trace|metric|audit|history", re.IGNORECASE)
_BROWSER: Final = re.compile(
    r"(?:google-)?chrom|brave|msedge|firefox|opera|vivaldi|Web Content|Isolated Web|Socket Process", re.IGNORECASE
)
"""Programs whose profiles are full of files that look like logs, and are none that a person reads."""
_COPIERS: Final = frozenset(
    [
        "7z",
        "7za",
        "7zr",
        "7zz",
        "bsdtar",
        "bzip2",
        "cp",
        "cpio",
        "git",
        "gzip",
        "hg",
        "install",
        "lz4",
        "mv",
        "rsync",
        "scp",
        "sftp-server",
        "svn",
        "tar",
        "unrar",
        "unzip",
        "xz",
        "zstd",
    ]
)
"""Programs that write what somebody else has written before."""


def never(path: str) -> bool:
    """Whether a name says that a file is something else than a log."""
    return _NEVER.search(path) is not None


def like_a_log(path: str) -> bool:
    """Whether a name is that of a log."""
    name = path.rpartition("/")[2]
    return _LOG.search(name) is not None and _WORD.search(name) is None and _DOCUMENT.search(name) is None


def kept(path: str) -> bool:
    """Whether a file that is no program's output is likely part of a package or a cache, whatever its name looks like."""
    return _KEPT.search(path) is not None and _SURELY.search(path) is None


def may_be_data(path: str) -> bool:
    """Whether a file has lines of JSON under a name that does not say of what: records of a program, or rows of a data set."""
    name = path.rpartition("/")[2]
    return _LINES_OF_JSON.search(name) is not None and _TOLD.search(name) is None


def copies(path: str, program: str, *, appends: bool) -> bool:
    """Whether what this program writes there, beside its output, is no log of its own; what a copier appends to is one."""
    return (program in _COPIERS and not appends) or (_BROWSER.match(program) is not None and "debug" not in path)

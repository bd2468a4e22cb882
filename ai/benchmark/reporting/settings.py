"""Which settings differ between contenders: they explain a ratio of speeds better than the engines do."""

from collections.abc import Callable, Mapping
from typing import Final

from ai.shapes.report import LoadRow


def _threads(load: LoadRow) -> str | None:
    if load.threads is not None:
        fewest = load.fewest_threads or load.threads
        return f"{fewest} to {load.threads}" if fewest < load.threads else str(load.threads)
    return f"{load.usual_threads} by default" if load.usual_threads is not None else None


def _switch(on: bool | None) -> str | None:  # noqa: FBT001 - a setting's value
    return None if on is None else "on" if on else "off"


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


_SETTINGS: Final[Mapping[str, Callable[[LoadRow], str | None]]] = {
    "threads": _threads,
    "tokens of context": lambda load: _number(load.context),
    "requests at the same time": lambda load: _number(load.parallel),
    "cache type": lambda load: None if load.kv_type is None else load.kv_type.lower().replace("-", "_"),
    "flash attention": lambda load: _switch(load.flash_attention),
    "layers on the GPU": lambda load: _number(load.gpu_layers),
}


def what_differs(loads: Mapping[str, LoadRow]) -> str:
    """One sentence about the settings that are known of several contenders and are not the same; empty where there is none.

    Args:
        loads: what each contender was loaded with, by its name.
    """
    told = []
    for what, read in _SETTINGS.items():
        known = {name: value for name, load in loads.items() if (value := read(load)) is not None}
        if len({value.removesuffix(" by default") for value in known.values()}) > 1:
            told.append(f"{what}: " + ", ".join(f"{value} ({name})" for name, value in known.items()))
    return f"Their settings differ: {'; '.join(told)}." if told else ""


def what_yielded(loads: Mapping[str, LoadRow]) -> list[str]:
    """A sentence for each contender that generated with fewer threads than it has, because other programs used the cores.

    Args:
        loads: what each contender was loaded with, by its name.
    """
    return [
        f"{name} generated with {load.fewest_threads} to {load.threads} threads: it leaves cores to other programs that use them."
        for name, load in loads.items()
        if load.threads is not None and load.fewest_threads is not None and load.fewest_threads < load.threads
    ]

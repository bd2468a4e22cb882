"""Temperatures from `/sys/class/hwmon`, else `/sys/class/thermal`, in degrees Celsius by a readable name."""

from pathlib import Path
from typing import Final

from monitor.sampling.linux.parse import decode
from monitor.sampling.linux.procfiles import read_file

EVERY_S: Final = 2.0
_LIMITS: Final = (-100.0, 250.0)
_OPEN: Final = (126.9, 128.1)
"""What the chip of a board says of an input that nothing is wired to: the largest number that a byte with a sign holds."""


def read_temperatures(sys: str = "/sys") -> dict[str, float]:
    """All temperatures; may be empty. A sensor may be slow, so call this in a thread."""
    return _hwmon(f"{sys}/class/hwmon") or _thermal(f"{sys}/class/thermal")


def _hwmon(base: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for chip in _entries(base):
        name = _text(f"{base}/{chip}/name") or chip
        for entry in _entries(f"{base}/{chip}"):
            if entry.startswith("temp") and entry.endswith("_input"):
                label = _text(f"{base}/{chip}/{entry[:-6]}_label") or entry[:-6]
                _keep(found, f"{name} {label}", _text(f"{base}/{chip}/{entry}"))
    return found


def _thermal(base: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for zone in _entries(base):
        if zone.startswith("thermal_zone"):
            _keep(found, _text(f"{base}/{zone}/type") or zone, _text(f"{base}/{zone}/temp"))
    return found


def _keep(found: dict[str, float], name: str, millidegrees: str) -> None:
    """Add one reading. Sensors with the same name get numbers; impossible values are ignored."""
    try:
        value = int(millidegrees) / 1000
    except ValueError:  # a sensor that is asleep answers with an error or nothing
        return
    if not _LIMITS[0] < value < _LIMITS[1] or _OPEN[0] < value < _OPEN[1]:
        return
    key, number = name, 2
    while key in found:
        key, number = f"{name} {number}", number + 1
    found[key] = value


def _entries(path: str) -> list[str]:
    try:
        return sorted(entry.name for entry in Path(path).iterdir())
    except OSError:  # no such sensors here
        return []


def _text(path: str) -> str:
    try:
        return decode(read_file(path, 256)).strip()
    except OSError:  # the sensor is asleep or went away
        return ""

"""A row of choices that lives in the address."""

from collections.abc import Sequence

from pages.ui.mount import mount


def segments(
    label: str,
    param: str,
    options: Sequence[tuple[str, str]],
    chosen: str,
    *,
    key: str,
    width: int,
    clears: Sequence[str] = (),
) -> None:
    """Draw the choices; a click writes to the address and the page runs again.

    Args:
        label: names the group for screen readers.
        param: of the address.
        options: value and title; the first is the standard, which the address leaves out.
        chosen: the value that holds.
        key: names the place.
        width: pixels.
        clears: other parameters that a choice takes away.
    """
    data = {
        "label": label,
        "param": param,
        "options": [list(option) for option in options],
        "chosen": chosen,
        "standard": options[0][0],
        "clears": list(clears),
    }
    mount("segments", data, key=key, height=36, width=width)

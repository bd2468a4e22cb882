"""What stands around every page: the status strip, pause, and at the foot of the side bar what there is and what the watch costs."""

from pages.ui.mount import mount


def status_strip() -> None:
    """Say "is it fine?" in words, and the age of the data; it also brings the keyboard to the page."""
    mount("strip", {}, key="wk-strip", height=40)


def pause_button() -> None:
    """Stop and resume what moves on the page."""
    mount("pause", {}, key="wk-pause", height=36, width=104)


def watch_footer() -> None:
    """Processes, errors, engines; which machine, what the watch costs, how many samples came."""
    mount("footer", {}, key="wk-footer", height=154)

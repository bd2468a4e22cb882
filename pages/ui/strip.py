"""What the frame puts around every page: the status strip above it, the watch's own cost at the foot of the side bar."""

from pages.ui.mount import mount


def status_strip() -> None:
    """Say "is it fine?" in words, the age of the data, pause; it also brings the keyboard to the page."""
    mount("strip", {}, key="wk-strip", height=46)


def watch_footer() -> None:
    """Which machine, what the watch costs, how many samples came."""
    mount("footer", {}, key="wk-footer", height=72)

"""Adds to Streamlit's page, before its own scripts, where its server is and what that server would answer first.

Left to itself the front end guesses below which path it is served: at `/logs` it first asks `/logs/_stcore/health` and
`/logs/_stcore/host-config`, which are not there, so every deep link begins with two errors in the console and a lost round
trip. Told so, it opens its socket at once. Our own live socket does not wait for any of that: `live/early.js` opens it while Streamlit's
scripts are still on their way.
"""

import json
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.server.assets import asset_url

HOST_CONFIG: Final = {
    "useExternalAuthToken": False,
    "enableCustomParentMessages": False,
    "enforceDownloadInNewTab": False,
    "metricsUrl": "",
    "blockErrorDialogs": False,
}
"""The answer of `/_stcore/host-config`; no other origin may talk to the page (see `SCRIPT`)."""
ICONS: Final = "Material Symbols Rounded"
"""The family of Streamlit's icons: a font in which a word such as `expand_more` is one sign."""
WATCH_ICONS: Final = (
    "{const shown=()=>document.documentElement.toggleAttribute('data-icons',true);"
    f"document.fonts.addEventListener('loadingdone',({{fontfaces}})=>fontfaces.some(({{family}})=>family.includes('{ICONS}'))&&shown())}}"
)
"""Marks the page once the font of the icons is there."""
SCRIPT: Final = (
    f"window.__streamlit={{BACKEND_BASE_URL:location.origin,HOST_CONFIG:{{allowedOrigins:[location.origin],"
    f"{json.dumps(HOST_CONFIG, separators=(',', ':'))[1:-1]}}}}};{WATCH_ICONS}"
)
STYLE: Final = (
    ":root:not([data-icons]) :is([data-testid$=Icon],[data-testid=stIconMaterial],[role=img])[translate=no]"
    "{width:1em;overflow:clip;visibility:hidden}"
    "[data-testid=stMain] [data-testid=stMarkdownContainer]:has(table){overflow-x:auto}"
    ".st-key-history td:first-child{white-space:nowrap}"
    "[class*=st-key-saved_open_] button :is(button>div,button>div>div,button>div>div>span){justify-content:flex-start;width:100%}"
    "@media(max-width:1100px){.st-key-beside>div>[data-testid=stHorizontalBlock],.st-key-beside>[data-testid=stHorizontalBlock]{flex-wrap:wrap}"
    ".st-key-beside [data-testid=stColumn]{min-width:100%}"
    ".st-key-beside [data-testid=stColumn]:has(.st-key-why),.st-key-beside [data-testid=stColumn]"
    " :is([data-testid=stVerticalBlock],[data-testid=stLayoutWrapper]):has(.st-key-why){display:contents}"
    ".st-key-beside [data-testid=stColumn]:has(.st-key-why) [data-testid=stElementContainer]{flex:0 0 100%}"
    ".st-key-beside .st-key-why{order:-1}}"
    "@media(max-width:1100px){.st-key-log_filters{gap:8px!important}"
    ".st-key-log_filters>.st-key-source{flex:1 1 120px!important;min-width:120px}"
    ".st-key-log_filters>.st-key-process{flex:0 0 100px!important;min-width:0}"
    ".st-key-log_filters [data-testid=stPopoverButton] div[aria-hidden=true]{display:none}"
    ".st-key-log_filters [data-testid=stPopoverButton] p{position:absolute;clip-path:inset(50%);width:1px;overflow:hidden}}"
    "@media(max-width:640px){.st-key-log_filters>.st-key-any_process{order:1;flex:1 1 100%!important}"
    ".st-key-log_filters>:not(.st-key-any_process) button p{position:absolute;clip-path:inset(50%);width:1px;overflow:hidden}"
    ".st-key-log_filters>:not(.st-key-source) button{min-width:44px}"
    ".st-key-log_filters{gap:4px!important}.st-key-log_filters>.st-key-source{flex-basis:110px!important;min-width:110px}"
    ".st-key-log_filters>.st-key-process:not(:has(input:not(:placeholder-shown))){display:none}"
    "[data-testid=stVerticalBlock]:has(>*>.st-key-log_filters){gap:8px}"
    ".st-key-page_header{gap:8px!important}.st-key-wk-pause{flex:0 0 44px!important;min-width:44px}"
    ".st-key-page_header>:has(h1){position:fixed;top:10px;left:88px;z-index:999990;width:calc(100vw - 140px);pointer-events:none}"
    ".st-key-page_header h1{padding:0;font-size:1.2rem;line-height:32px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}}"
    "[role=radiogroup] [data-variant=segmented_control]{min-height:36px;padding:0 12px}"
    "[role=radiogroup] [data-variant=segmented_control] p{font-size:1rem}"
    "@media(max-width:640px){[role=radiogroup]:has(>[data-variant=segmented_control]){flex-wrap:wrap;row-gap:4px}"
    ".st-key-view [data-variant=segmented_control]{padding:0 6px}}"
    "[role=radiogroup] [data-variant=segmented_control][aria-checked=true]{color:inherit!important;font-weight:600;border-color:#8884!important;background:#8882!important}"
)
"""What a theme cannot say, applied from the first frame on.

- An icon takes its place but is not seen until its font has come: until then it is a word, longer than its place, which makes
  the page wider than a narrow screen.
- On a narrow screen a wide table scrolls by itself instead of the page, and a time in the history stays on one line.
- Cards beside the charts stand below them where they would be too narrow to read.
- On a narrow screen the filters of Logs stand closer; on a phone their buttons are icons, but for a process that is chosen, and the
  box for a process is gone while it is empty (a query has `pid:` and `run:`). There the title of a page stands in the bar above it, so that records fill the screen.
- Segmented controls are as high as the buttons beside them, and the chosen segment keeps the colour of text: Streamlit's own
  is too pale to read (axe: color-contrast). On a narrow screen they take a second row instead of hiding what does not fit.
"""
HEAD: Final = b"<head>"
TITLE: Final = (b"<title>Streamlit</title>", b"<title>Watchkeeper</title>")


def inserted() -> bytes:
    """The start of the head of a page. The script of the live socket is asynchronous: it blocks nothing and waits for nothing."""
    early = f'<script type="module" async fetchpriority="high" src="{asset_url("live/early.js")}"></script>'
    return f"<script>{SCRIPT}</script>{early}<style>{STYLE}</style>".encode()


class Boot:
    """Adds `inserted` to every page; all other answers pass through.

    Args:
        app: the wrapped application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or "text/html" not in Headers(scope=scope).get("accept", "")
        ):
            await self._app(scope, receive, send)
            return
        plain = [
            (name, value) for name, value in scope["headers"] if name != b"accept-encoding"
        ]  # the page is only 8 kB, and must be readable here
        await self._app({**scope, "headers": plain}, receive, _Page(send))


class _Page:
    """Passes answers on, and holds a page until it is complete."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begin: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._begin = message
        elif self._begin is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._begin)

    async def _finish(self, begin: Message) -> None:
        body = self._body.replace(HEAD, HEAD + inserted(), 1).replace(*TITLE, 1)
        headers = MutableHeaders(scope=begin)
        headers["content-length"] = str(len(body))
        for of_the_file in ("etag", "last-modified"):
            del headers[of_the_file]
        await self._send(begin)
        await self._send({"type": "http.response.body", "body": body})


def _is_page(begin: Message) -> bool:
    headers = Headers(raw=begin["headers"])
    return begin["status"] == 200 and headers.get("content-type", "").startswith("text/html")

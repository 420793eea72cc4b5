"""The server around the pages: warm-up at its start, and what every answer to a browser carries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit
from starlette.middleware import Middleware
from streamlit.runtime.pages_manager import PagesManager

# Without it the browser looks for the server under each page's own address first, and logs two errors for that.
ADDRESS = b"<script>window.__streamlit={BACKEND_BASE_URL:location.origin,MAIN_PAGE_BASE_URL:location.origin}</script>"
# Plotly's bundle, 4.7 MB, is asked for only when the first figure arrives; every page but home has one.
FIGURES = b"".join(
    b'<link rel="modulepreload" crossorigin fetchpriority="low" href="./static/js/%s">' % bundle.name.encode()
    for bundle in (Path(streamlit.__file__).parent / "static/static/js").glob("PlotlyChart.*.js")
)
# The browser itself then refuses every request to another machine: nothing leaves, whatever a page holds.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss: data: blob:; img-src 'self' data: blob:; "
    "frame-ancestors *"
)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Before the first visit: say where the pages are, and start what is slow the first time."""
    from ui import cache

    # The folder pages/ is named by st.navigation in app.py; an older Streamlit feature would also show its files.
    PagesManager.uses_pages_directory = False
    cache.warm_up()
    yield
    cache.pool().close()
    cache.forget_own()


class Head:
    """Adds the address script to HTML documents and the policy to every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """Pass everything on; hold an HTML document back until its head can be completed."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A document that was not changed on disk must not be answered from the browser's memory without our script.
        names = {b"accept-encoding", b"if-none-match", b"if-modified-since"}
        document = not scope["path"].startswith(("/static/", "/_stcore/", "/media/", "/component/"))
        if document:
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in names]}
        held: list[dict[str, Any]] = []
        body = bytearray()

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], (b"content-security-policy", POLICY.encode())]
                message = {**message, "headers": headers}
                if document and any(n.lower() == b"content-type" and b"text/html" in v for n, v in headers):
                    held.append(message)
                    return
            elif held:
                body.extend(message.get("body", b""))
                if message.get("more_body"):
                    return
                start = held.pop()
                more = b"" if scope["path"] == "/" else FIGURES
                whole = bytes(body).replace(b"<head>", b"<head>" + ADDRESS, 1).replace(b"</head>", more + b"</head>", 1)
                kept = [(n, v) for n, v in start["headers"] if n.lower() not in {b"content-length", b"etag"}]
                await send({**start, "headers": [*kept, (b"content-length", str(len(whole)).encode())]})
                message = {**message, "body": whole}
            await send(message)

        await self.app(scope, receive, answer)


MIDDLEWARE = [Middleware(Head)]

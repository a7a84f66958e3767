"""The server of the page: this machine alone, and only under its own names."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from align.view.page import STATIC, served_page
from align.view.routes import NoContentError, Routes
from datasets.errors import OptionError, UserError

# Names of this machine that no other machine's page can have: a foreign page whose own name is made
# to point here (DNS rebinding) sends that name.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def make_app(routes: Routes, names: Sequence[str] = LOOPBACK) -> Starlette:
    """The application.

    Args:
        routes: Answers its questions.
        names: Names under which it may be called.
    """
    text, digest = served_page()

    def page(request: Request) -> Response:
        return HTMLResponse(text)

    # Not a coroutine: Starlette then runs it in a thread, and others are answered meanwhile.
    def api(request: Request) -> Response:
        try:
            content = routes.answer(request.path_params["path"])
        except NoContentError as error:
            return JSONResponse({"problem": f"there is no {error}"}, 404)
        except UserError as error:
            return JSONResponse({"problem": str(error)}, 422)
        return Response(content.body, media_type=content.kind)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/api/{path:path}", api),
            Mount("/static", StaticFiles(directory=str(STATIC))),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=_bracketed(names), www_redirect=False),
            Middleware(SafeHeaders, digest=digest),
        ],
    )


class SafeHeaders:
    """Tells the browser to load nothing from elsewhere, and to lend this to no other page."""

    def __init__(self, app: ASGIApp, digest: str) -> None:
        """Wraps an application whose page has an inline script of this digest."""
        self.app = app
        self.headers = {
            "content-security-policy": (
                f"default-src 'none'; script-src 'self' '{digest}'; style-src 'self'; "
                "img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; "
                "form-action 'none'; frame-ancestors 'none'"
            ),
            "cross-origin-resource-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            # A server started again on the same port may show another run.
            "cache-control": "no-store",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_safely)


def _bracketed(names: Sequence[str]) -> list[str]:
    """Names as the header `Host` has them: addresses of version 6 are in brackets."""
    return [f"[{name}]" if ":" in name else name for name in names]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    return host in LOOPBACK


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket.

    Args:
        host: Name or address of this machine.
        port: 0 for any free one.

    Raises:
        OptionError: When the port is taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen()  # a browser that is quicker than the server waits
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OptionError(
                f"port {port} of {host} is in use: choose another --port, or 0 for any free one."
            ) from None
        raise OptionError(
            f"--host {host} --port {port} cannot be listened on ({error.strerror}): name an "
            "address of this machine, and a port above 1023."
        ) from None
    return listening


def address(listening: socket.socket, host: str) -> str:
    """Where the page is."""
    return f"http://{_bracketed([host])[0]}:{listening.getsockname()[1]}/"


def serve(routes: Routes, listening: socket.socket, names: Sequence[str]) -> None:
    """Serves the page until Ctrl-C."""
    config = uvicorn.Config(make_app(routes, names), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])

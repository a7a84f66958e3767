"""The server of a local page: this machine alone, and only under its own names."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datasets.errors import OptionError, UserError
from datasets.pages.content import JSON, Content, NoContentError
from datasets.pages.page import ServedPage

Answer: TypeAlias = Callable[[str], Content]
Act: TypeAlias = Callable[[str, Any], Content]

# Names of this machine that no other machine's page can have: a foreign page whose own name is made
# to point here (DNS rebinding) sends that name.
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def make_app(
    page: ServedPage, answer: Answer, names: Sequence[str] = LOOPBACK, act: Act | None = None
) -> Starlette:
    """The application.

    Args:
        page: The page.
        answer: Answers its questions: a path to its content.
        names: Names under which it may be called.
        act: Changes something as the page asks, by a path and what was sent; by default nothing
            can be changed.
    """

    def index(request: Request) -> Response:
        return HTMLResponse(page.text)

    # Not a coroutine: Starlette then runs it in a thread, and others are answered meanwhile.
    def ask(request: Request) -> Response:
        return _told(lambda: answer(request.path_params["path"]))

    routes: list[BaseRoute] = [Route("/", index), Route("/api/{path:path}", ask)]
    if act is not None:
        routes.append(Route("/do/{path:path}", _acting(act), methods=["POST"]))
    for address, folder in page.static.items():
        routes.append(Mount(f"/{address}", StaticFiles(directory=str(folder))))
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=_bracketed(names), www_redirect=False),
            Middleware(SafeHeaders, digest=page.digest),
        ],
    )


def _acting(act: Act) -> Callable[[Request], Awaitable[Response]]:
    """Changes things for this page alone.

    Another page of the same browser may send a form or a text here, but JSON only after it has
    asked this server, which does not allow it.
    """

    async def change(request: Request) -> Response:
        if request.headers.get("content-type") != JSON:
            return JSONResponse({"problem": f"send {JSON}"}, 415)
        try:
            asked = json.loads(await request.body())
        except ValueError:
            return JSONResponse({"problem": "this is not valid JSON"}, 400)
        return await run_in_threadpool(_told, lambda: act(request.path_params["path"], asked))

    return change


def _told(content: Callable[[], Content]) -> Response:
    try:
        found = content()
    except NoContentError as error:
        return JSONResponse({"problem": f"there is no {error}"}, 404)
    except UserError as error:
        return JSONResponse({"problem": str(error)}, 422)
    return Response(found.body, media_type=found.kind)


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


def serve(app: Starlette, listening: socket.socket) -> None:
    """Serves a page until Ctrl-C."""
    config = uvicorn.Config(app, log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listening])

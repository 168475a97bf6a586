"""The HTTP server of a kept model: JSON in, JSON out, on loopback unless told otherwise."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import DiskFull
from qoslab.domains.prediction.deploy.desk import Desk, Refused, problems
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.deploy.openapi import describe
from qoslab.domains.prediction.deploy.patience import impatient
from qoslab.domains.prediction.deploy.questions import Batch, Measurements, Question, Wanted
from qoslab.domains.prediction.deploy.rate import Rates
from qoslab.domains.prediction.deploy.taken import check_folder, claim, damaged, open_desk

__all__ = ["make_app", "run_server"]

_WAIT_S = 10.0
"""How long a body may take to arrive."""


_SILENCE_S = 30.0
"""How long a connection may go without a request."""


_GONE = 499
"""Status of questions whose asker went away amid them, as proxies count it."""


_NO_PAGES = (
    "a browser asks for a web page (Origin or Sec-Fetch-Site); ask from a program, or from behind a proxy that "
    "takes these headers away"
)


def make_app(desk: Desk, rate_per_s: float, max_body: int) -> Starlette:
    """The application of a desk.

    Args:
        desk: Answers.
        rate_per_s: Requests per second that one address may make; twice as many at once.
        max_body: Largest body, bytes.
    """
    rates = Rates(rate_per_s, burst=2 * rate_per_s)
    described = json.dumps(
        describe(desk.about())
    ).encode()  # takes longer than many an answer, and never changes
    app = Starlette(
        routes=[
            _post("/predict", Question, desk.predict, desk, rates, max_body),
            _post("/predict/batch", Batch, desk.batch, desk, rates, max_body, slow=True),
            _post("/best", Wanted, desk.best, desk, rates, max_body, slow=True),
            _post("/measurements", Measurements, desk.take, desk, rates, max_body, slow=True),
            _get("/health", lambda: JSONResponse({"status": "ok"}), rates),
            _get("/model", lambda: JSONResponse(desk.about()), rates),
            _get("/openapi.json", lambda: Response(described, media_type="application/json"), rates),
            _get("/metrics", lambda: PlainTextResponse(desk.exposition(), media_type=_PROMETHEUS), rates),
        ],
        exception_handlers={HTTPException: _elsewhere},
    )
    return app


_PROMETHEUS = "text/plain; version=0.0.4"


def run_server(model: KeptModel, folder: Path, host: str, port: int, rate_per_s: float, max_body: int) -> int:
    """Serve until a signal ends it; returns 0.

    Raises:
        BadInput: The address cannot be had, measurements kept earlier cannot be read or are of another model, or none
            can be kept in the folder.
    """
    check_folder(folder, model.about)  # before somebody waits for the replay
    with closing(open_desk(model, folder)) as desk, closing(_listen(host, port)) as listener:
        claim(folder, model.about)  # a start that fails leaves the folder to the model that can read it
        desk.live.warm()  # else the first delivery waits for the compiler, and everybody else for it
        app = make_app(desk, rate_per_s, max_body)
        config = uvicorn.Config(
            app,
            http=impatient(_SILENCE_S),
            log_level="warning",
            access_log=False,
            proxy_headers=False,  # whoever may name his own address has as many as he likes, and no limit
            limit_concurrency=256,
            timeout_keep_alive=30,
        )
        shown = f"[{host}]" if ":" in host else host
        taken = f", {desk.live.absorbed} measurements taken in again" if desk.live.absorbed else ""
        lost = damaged(folder)
        torn = f", {lost} torn or damaged {'record' if lost == 1 else 'records'} passed over" if lost else ""
        print(f"serving http://{shown}:{listener.getsockname()[1]}{taken}{torn}", file=sys.stderr, flush=True)
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only on sockets that say they are TCP; others wait 40 ms for more to send.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        found.close()
        message = f"{host}:{port} cannot be had: {error.strerror or error}"
        raise BadInput(Problem(message=message, field="port")) from None
    return found


def _post(
    path: str,
    form: type[BaseModel],
    answer: Callable[[Any], dict[str, Any]],
    desk: Desk,
    rates: Rates,
    max_body: int,
    *,
    slow: bool = False,
) -> Route:
    async def endpoint(request: Request) -> Response:
        begun = time.perf_counter()
        try:
            response = await _answered(request, form, answer, rates, max_body, slow=slow)
        except ClientDisconnect:  # nobody waits for an answer
            response = Response(status_code=_GONE)
        except Exception:  # whatever it is, clients are told in JSON, and it is counted
            logging.getLogger("uvicorn.error").exception("%s failed", path)
            response = _refusal(500, "", "the server failed; its log says why")
        desk.note(path, response.status_code, time.perf_counter() - begun)
        return response

    return Route(path, endpoint, methods=["POST"])


def _get(path: str, answer: Callable[[], Response], rates: Rates) -> Route:
    async def endpoint(request: Request) -> Response:
        refusal = _unwelcome(request, rates)
        return await run_in_threadpool(answer) if refusal is None else refusal

    return Route(path, endpoint)


def _unwelcome(request: Request, rates: Rates) -> Response | None:
    """The refusal of a web page or of an address that has asked too much, or None; every request counts, of any kind.

    Any page could else deliver to the machine that shows it. Browsers say for whom they ask; "none" is their user.
    """
    client = request.client.host if request.client else ""
    wait_s = rates.wait_s(client, time.monotonic())
    if wait_s == 0:
        page = "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none"
        return _refusal(403, "", _NO_PAGES) if page else None
    return _refusal(429, "", "too many requests", {"Retry-After": str(max(1, round(wait_s + 0.5)))})


async def _answered(
    request: Request,
    form: type[BaseModel],
    answer: Callable[[Any], dict[str, Any]],
    rates: Rates,
    max_body: int,
    *,
    slow: bool,
) -> Response:
    refusal = _unwelcome(request, rates)
    if refusal is not None:
        return refusal
    body = await _within(_body(request, max_body))
    if body is None:
        return _refusal(413, "body", f"more than {max_body} bytes are not read", {"Connection": "close"})
    try:
        question = form.model_validate_json(body)
        found = await run_in_threadpool(answer, question) if slow else answer(question)
    except ValidationError as error:
        return JSONResponse({"errors": problems(error)}, 422)
    except Refused as refused:
        return JSONResponse({"errors": refused.errors}, refused.status)
    except DiskFull as error:
        return _refusal(507, "", str(error))
    except OSError as error:
        return _refusal(500, "", f"it could not be kept: {error.strerror or error}")
    return Response(json.dumps(found), media_type="application/json")


async def _body(request: Request, most: int) -> bytes | None:
    """The body; None where it is larger than allowed, read no further than that."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


async def _within(body: Awaitable[bytes | None]) -> bytes | None:
    import asyncio

    try:
        return await asyncio.wait_for(body, _WAIT_S)
    except TimeoutError:
        return b""


async def _elsewhere(request: Request, error: Exception) -> Response:
    """An unknown path, or one that is asked in the wrong way, refused in the form of all refusals."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    message = f"{request.method} {request.url.path[:200]}: there is no such question; see /openapi.json"
    return _refusal(status, "", message, headers)


def _refusal(status: int, field: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"errors": [{"field": field, "message": message}]}, status, headers)

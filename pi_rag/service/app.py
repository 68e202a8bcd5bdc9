"""The web application: the routes, and the one place where errors become answers."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route

from pi_rag import __version__, log
from pi_rag.errors import InternalError, PiRagError, RequestInvalid, RouteNotFound
from pi_rag.service.agents import door
from pi_rag.service.answers import error_response
from pi_rag.service.house import House
from pi_rag.service.routes import router

_log = log.logger("service")


class _Described(FastAPI):
    """The web framework, which otherwise describes a route's errors as being of the type of its answers."""

    def openapi(self) -> dict[str, Any]:
        """The description of the interface: every error is JSON, also of what answers with text or events."""
        if self.openapi_schema is None:
            for operations in super().openapi()["paths"].values():
                for operation in operations.values():
                    _errors_as_json(operation["responses"])
        assert self.openapi_schema is not None
        return self.openapi_schema


def _errors_as_json(responses: dict[str, Any]) -> None:
    for status, response in responses.items():
        if int(status) >= 400:
            (shape,) = response["content"].values()
            response["content"] = {"application/json": shape}


def application(house: House) -> FastAPI:
    """The application over a house that is built."""
    app = _Described(
        title="pi_rag",
        version=__version__,
        description="A private memory for a house, over a Unix socket.",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(router(house))
    # Routes and no mount: a mount answers its own address with a redirect.
    app.router.routes += [Route(path, house.agents) for path in (door.PATH, f"{door.PATH}/")]
    app.add_exception_handler(PiRagError, _known)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _unrouted)
    app.add_exception_handler(Exception, _unknown)
    return app


async def _known(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PiRagError)
    return error_response(error)


async def _malformed(_: Request, error: Exception) -> JSONResponse:
    """The first thing wrong with a request, named by its place in the body."""
    assert isinstance(error, RequestValidationError)
    first: dict[str, Any] = dict(error.errors()[0])
    place = ".".join(str(part) for part in first["loc"])
    field = next((part for part in first["loc"][1:] if isinstance(part, str)), None)
    return error_response(RequestInvalid(f"{place}: {first['msg']}.", param=field))


async def _unrouted(request: Request, error: Exception) -> JSONResponse:
    """An unknown address or method, or a body that cannot be parsed at all."""
    assert isinstance(error, HTTPException)
    if error.status_code in {404, 405}:
        return error_response(RouteNotFound(f"There is no {request.method} {request.url.path}."))
    return error_response(RequestInvalid(str(error.detail)))


async def _unknown(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_failed", path=request.url.path, exc_info=error)
    return error_response(InternalError(f"{type(error).__name__} while answering {request.url.path}."))

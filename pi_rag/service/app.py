"""The web application: the routes, and the one place where errors become answers."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from pi_rag import __version__, log
from pi_rag.errors import InternalError, PiRagError, RequestInvalid, RouteNotFound, every_kind
from pi_rag.service.agents import door
from pi_rag.service.answers import error_response
from pi_rag.service.house import House
from pi_rag.service.routes import router, searched
from pi_rag.service.schemas import ErrorAnswer
from pi_rag.service.straight import Straight

_log = log.logger("service")

REF = "#/components/schemas/{model}"
NEVER_SENT = {"422", "HTTPValidationError", "ValidationError"}
"""The framework's own error and its shapes, in place of which `_malformed` answers."""


class _Described(FastAPI):
    """The web framework, which otherwise makes a model for each error of each route, at every start."""

    def openapi(self) -> dict[str, Any]:
        """The description of the interface: every route may answer with every error, always as JSON."""
        if self.openapi_schema is None:
            described = super().openapi()
            schemas = described["components"]["schemas"]
            described["components"]["schemas"] = _without(schemas, NEVER_SENT) | _schemas(ErrorAnswer)
            for operations in described["paths"].values():
                for operation in operations.values():
                    operation["responses"] = _errors() | _without(operation["responses"], NEVER_SENT)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _errors() -> dict[str, Any]:
    """What a description says of each status that an error has."""
    shape = {"application/json": {"schema": {"$ref": REF.format(model=ErrorAnswer.__name__)}}}
    codes: dict[int, list[str]] = {}
    for kind in every_kind():
        codes.setdefault(kind.http_status, []).append(kind.code)
    return {
        str(status): {"description": f"One of: {', '.join(named)}", "content": shape}
        for status, named in codes.items()
    }


def _without(named: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: each for name, each in named.items() if name not in names}


def _schemas(model: type[BaseModel]) -> dict[str, Any]:
    """Of a model and of those within it, as they are named in a description."""
    schema = model.model_json_schema(ref_template=REF)
    within: dict[str, Any] = schema.pop("$defs", {})
    return within | {model.__name__: schema}


def application(house: House) -> ASGIApp:
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
    return Straight(app, partial(searched, house), _unknown)


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

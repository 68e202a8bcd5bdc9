"""The HTTP interface against its own description: schemathesis makes requests from /openapi.json, of which
half keep to it and half do not, and holds each answer against it.

Some requests are told to it that mean something here (`known`): of what only has the right shape most is
refused at once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from pi_rag.stress.running import RunningService
from tests.fuzz.asking import LATER, NEVER
from tests.fuzz.over_socket import BASE, session

EXCLUDED = [positive_data_acceptance, unsupported_method]
"""A description cannot tell that a scope is well formed or that a query has a word in it, so what keeps to it
may be refused all the same. An unknown method is answered `route_not_found` with 404 (docs/errors.md)."""

Case = Any
"""Of schemathesis; generic in types that say nothing here."""

STEPS_MAX = 8

ANSWER_S_MAX = 25.0


def known(allowed: Path) -> dict[str, list[Any]]:
    """By a field's name, values that mean something."""
    return {
        "scope": ["user", "project:tea"], "scopes": ["user"], "folder": [str(allowed)],
        "paths": [str(allowed / "a.txt")], "under": [str(allowed)], "query": ["kettle", '"tea" pump'],
        "input": ["tea"],
        "text": ["The kettle is blue.", "The kettle is red."], "topic": ["kettle"], "since": ["2020-01-01"],
        "before": ["2030-01-01"], "at": ["2026-03-31"], "expires_at": ["2030-01-01"], "as_of": ["2030-01-01"],
        "source": ["a", "b"], "collection": ["default"], "document_id": [1, 2], "job_id": [1, 2],
        "memory_id": [1, 2],
        "session_id": [1, 2], "watch_id": [1], "change_id": [1, 2], "suggestion_id": [1], "ids": [1, 2],
        "around": [1], "model": ["pi-rag"], "name": ["all-MiniLM-L6-v2"], "content_base64": ["dGVh"],
    }  # fmt: skip


def taught(description: dict[str, Any], values: Mapping[str, list[Any]]) -> dict[str, Any]:
    """The description, in which each such field may have these values, or whatever it may have anyhow."""
    for path in NEVER:
        description["paths"].pop(path, None)
    for operations in description["paths"].values():
        for operation in operations.values():
            for each in operation.get("parameters", []):
                each["schema"] = _with(each["schema"], values.get(each["name"], []))
    for name, shape in description["components"]["schemas"].items():
        if name.endswith("Request"):
            fields = shape.get("properties", {})
            fields |= {field: _with(each, values.get(field, [])) for field, each in fields.items()}
    return description


def _with(shape: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    if not values:
        return shape
    if shape.get("type") == "array":
        return shape | {"items": {"anyOf": [{"enum": values}, shape["items"]]}}
    whole = '"integer"' in json.dumps(shape)
    fitting = [value for value in values if isinstance(value, int) == whole]
    return {"anyOf": [{"enum": fitting}, shape]} if fitting else shape


class Described:
    """All operations of one running service."""

    def __init__(self, running: RunningService, allowed: Path, seed: int) -> None:
        self.session = session(running.socket)
        self.seed = seed
        self.became: Counter[str] = Counter()
        self.failures: dict[str, str] = {}
        """By operation and kind, the first of each."""
        description = self.session.get(f"{BASE}/openapi.json").json()
        self.schema = schemathesis.openapi.from_dict(taught(description, known(allowed)))
        self.operations = [_sound(found) for found in self.schema.get_all_operations()]

    def each(self, examples: int) -> None:
        """So many requests for each operation, and as many that do not keep to the description."""
        for operation in self.operations:
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                strategy: Any = operation.as_strategy(generation_mode=mode)
                given: Any = hypothesis.given(strategy)(self._ask)  # type: ignore[no-untyped-call, unused-ignore]
                try:
                    asked: Any = self._settings(examples)(given)
                    hypothesis.seed(self.seed)(asked)()
                except Unsatisfiable:  # what takes nothing can be given nothing wrong
                    self.became["nothing to be wrong"] += 1

    def chained(self, examples: int) -> None:
        """Requests that go on from what earlier ones were answered: what is made is then asked for."""
        machine = _machine(self.schema.as_state_machine(), self.session, self._judge)
        hypothesis.seed(self.seed)(machine)
        run_state_machine_as_test(
            machine, settings=hypothesis.settings(self._settings(examples), stateful_step_count=STEPS_MAX)
        )

    def _settings(self, examples: int) -> hypothesis.settings:
        return hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )

    def _ask(self, case: Case) -> None:
        self._judge(case.call(base_url=BASE, session=self.session, timeout=ANSWER_S_MAX), case)

    def _judge(self, answer: Any, case: Case) -> None:
        self.became[str(answer.status_code)] += 1
        if answer.status_code == 503 and answer.json().get("error", {}).get("code") in LATER:
            return
        try:
            case.validate_response(answer, excluded_checks=EXCLUDED)
        except FailureGroup as group:
            for each in group.exceptions:
                what = f"{case.operation.label} {type(each).__name__} {answer.status_code}"
                self.failures.setdefault(what, f"{str(each)[:800]}\n{str(case)[:800]}\n{answer.text[:800]}")


def _sound(found: Any) -> Any:
    """An operation; schemathesis wraps each, since a description may be wrong."""
    return found.ok()


def _machine(base: Any, over: requests.Session, judge: Callable[[Any, Case], None]) -> Any:
    """The machine of schemathesis, over the socket, which goes on past a failure."""

    class Machine(base):  # type: ignore[misc]
        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            return {"base_url": BASE, "session": over, "timeout": ANSWER_S_MAX}

        def validate_response(self, response: Any, case: Case, *_: Any, **__: Any) -> None:
            judge(response, case)

    return Machine

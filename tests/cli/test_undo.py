"""`pi-rag undo`."""

from __future__ import annotations

from tests.cli.conftest import Run
from tests.cli.remembered import change
from tests.standin import StandIn


def test_a_change_is_taken_back_and_so_may_be_its_undoing(service: StandIn, run: Run) -> None:
    """Without a number it is the last one; which that was is said."""
    detail = {"undoes": 41, "operation": "forget"}
    service.on("POST", "/v1/undo", change(42, "undo", memory_ids=(11, 12), detail=detail))
    said = "Taken back: change 41 (forget) of memories 11, 12 in user.\nTake that back with: pi-rag undo 42\n"
    assert run("undo").out == said
    assert run("undo", "41").out == said
    assert service.bodies("/v1/undo") == [{}, {"change_id": 41}]
    assert run("undo", "--json").json["id"] == 42


def test_what_cannot_be_taken_back_is_said(service: StandIn, run: Run) -> None:
    """With what the service says to do."""
    service.refuse("POST", "/v1/undo", 409, "change_final")
    assert run("undo", "41").code == 2

"""Jobs are seen and steered over HTTP."""

from __future__ import annotations

import httpx

from tests.service.test_routes import added


async def test_jobs_are_listed_newest_first(guest: httpx.AsyncClient) -> None:
    """A job can be asked for by its id, and the list shows what was asked last."""
    one = await added(guest, {"documents": [{"source": "a", "text": "one"}]})
    two = await added(guest, {"documents": [{"source": "b", "text": "two"}]})

    listed = (await guest.get("/v1/jobs")).json()["jobs"]

    assert [job["id"] for job in listed] == [two["id"], one["id"]]
    assert (await guest.get(f"/v1/jobs/{one['id']}")).json()["job"] == one
    missing = await guest.get("/v1/jobs/999")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "job_not_found")


async def test_jobs_are_steered(guest: httpx.AsyncClient) -> None:
    """Paused, cancelled, resumed; one that is not there is said to be so."""
    assert (await guest.post("/v1/jobs/pause")).json() == {"paused": True}
    body = {"documents": [{"source": "a", "text": "one"}], "wait": False}
    first, second = [(await guest.post("/v1/documents", json=body)).json()["job"]["id"] for _ in range(2)]
    assert (await guest.post(f"/v1/jobs/{first}/pause")).json()["job"]["state"] == "paused"
    cancelled = (await guest.post(f"/v1/jobs/{first}/cancel")).json()["job"]
    assert (cancelled["state"], cancelled["items_cancelled"]) == ("cancelled", 1)
    assert (await guest.get("/v1/status")).json()["ingest"]["waiting_for"] == "paused"
    assert (await guest.post("/v1/jobs/resume")).json() == {"paused": False}
    done = await guest.post("/v1/documents", json={**body, "wait": True})
    assert done.json()["job"]["items_unchanged"] == 1
    assert (await guest.get(f"/v1/jobs/{second}")).json()["job"]["items_done"] == 1
    assert (await guest.get("/v1/jobs/failed")).json() == {"failed": [], "next": None}
    assert (await guest.get("/v1/jobs/failed", params={"job": first})).json()["failed"] == []
    assert (await guest.get("/v1/jobs/failed", params={"job": 999})).status_code == 404
    assert (await guest.post("/v1/jobs/retry")).json() == {"retried": 0}
    assert (await guest.post(f"/v1/jobs/{second}/retry")).json()["retried"] == 0
    for what in ("pause", "resume", "cancel"):
        ended = await guest.post(f"/v1/jobs/{second}/{what}")
        assert (ended.status_code, ended.json()["error"]["code"]) == (409, "job_ended")
    for what in ("pause", "resume", "cancel", "retry"):
        missing = await guest.post(f"/v1/jobs/999/{what}")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "job_not_found")

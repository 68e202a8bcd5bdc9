"""How near facts are that say the same, or stand against each other; and what it costs to keep one.

    python -m benchmarks.keeping [--facts N] [--quick] [--json FILE]

The first table holds the cosine of pairs of facts, by what they have to do with each other, and what the desk
makes of the second when the first is known. From them `remember.merge_similarity` and
`remember.conflict_similarity` were chosen. Then: milliseconds for one `remember` and one `log_event`, one
after the other, in a scope of N facts, beside those for the embedding alone.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.remembering import CALLER, Place, fill, place
from benchmarks.report import Figures, arguments, publish
from pi_rag.memory_types import NewEvent, NewFact

PAIRS: dict[str, list[tuple[str, str]]] = {
    "same": [
        ("Ann likes green tea.", "Ann enjoys green tea."),
        ("The wifi of the house is called Heron.", "The house's wifi is named Heron."),
        ("Backups run every night.", "Every night, backups run."),
        ("The user prefers dark mode in the editor.", "In the editor the user prefers dark mode."),
        ("Tests are run with pytest.", "Pytest is used to run the tests."),
        ("Mo is the name of the cat.", "The cat is called Mo."),
        ("The spare key is under the blue pot.", "Under the blue pot there is the spare key."),
        ("Bob works from home on Fridays.", "On Fridays Bob works from home."),
        ("Use tabs for indentation in this project.", "This project indents with tabs."),
        ("The meeting was moved to Tuesday.", "They moved the meeting to Tuesday."),
        ("Ann is allergic to peanuts.", "Ann has a peanut allergy."),
        ("Deployments need an approval by Eve.", "Eve has to approve deployments."),
    ],
    "numbers": [
        ("The door code is 1234.", "The door code is 9876."),
        ("The boiler is set to 60 degrees.", "The boiler is set to 75 degrees."),
        ("Ann's birthday is on 3 May.", "Ann's birthday is on 4 June."),
        ("The bus leaves at 7:15.", "The bus leaves at 8:40."),
        ("The service listens on port 8080.", "The service listens on port 9090."),
        ("The rent is 900 euros.", "The rent is 950 euros a month."),
        ("The team has five members.", "The team has seven members."),
        ("The release is planned for March.", "The release is planned for April."),
        ("The build takes 4 minutes.", "A build takes about 12 minutes."),
        ("The tank holds 200 litres.", "The tank has room for 300 litres."),
        ("Python 3.11 is used.", "The project uses Python 3.12."),
        ("The meeting is on Tuesday.", "The meeting is on Thursday."),
    ],
    "negation": [
        ("The boiler is on.", "The boiler is off."),
        ("The backup runs at night.", "The backup does not run at night."),
        ("Ann likes coffee.", "Ann dislikes coffee."),
        ("The garden gate is open.", "The garden gate is closed."),
        ("Pushing to main is allowed.", "Pushing to main is forbidden."),
        ("The cellar pump works.", "The cellar pump is broken."),
        ("Bob eats meat.", "Bob never eats meat."),
        ("Logging is enabled in production.", "Logging is disabled in production."),
        ("The API requires a token.", "The API needs no token."),
        ("Always run the linter before a commit.", "Never run the linter before a commit."),
        ("The printer is online.", "The printer is offline."),
        ("The heating is turned up in the morning.", "In the morning the heating is turned down."),
    ],
    "other": [
        ("Ann likes green tea.", "Ann likes hiking in the hills."),
        ("The door code is 1234.", "The door of the shed sticks in winter."),
        ("Backups run every night.", "Backups are kept on the old laptop."),
        ("The boiler is set to 60 degrees.", "The boiler was serviced by Smith and Sons."),
        ("Tests are run with pytest.", "Tests live beside the package."),
        ("The cat is called Mo.", "The dog is called Bo."),
        ("Bob works from home on Fridays.", "Bob plays chess on Sundays."),
        ("The service listens on port 8080.", "The service restarts by itself."),
        ("The garden gate is open.", "The garden needs watering."),
        ("Eve approves deployments.", "Eve wrote the deployment script."),
        ("Use tabs for indentation.", "Use British spelling in comments."),
        ("The meeting was moved to Tuesday.", "The meeting room has no window."),
    ],
}
TIMED = 200
MANY = "project:many"
"""The scope that `fill` fills."""


async def measured(facts: int, timed: int) -> Figures:
    """Both tables in one, and the numbers above them."""
    with tempfile.TemporaryDirectory() as folder:
        async with place(Path(folder), time.time()) as at:
            rows = [await _near(at, kind, pairs) for kind, pairs in PAIRS.items()]
            lines = [f"{one} {other}" for pairs in PAIRS.values() for one, other in pairs]
            await at.desk.log_event(NewEvent("\n".join(["All:", *lines])), CALLER)  # `fill` draws from it
            await at.store.write(fill, at.made_by, facts, 0, at.now)
            costs = await _costs(at, timed)
    p95 = {f"{name}_p95_ms": cost[1] for name, cost in costs.items()}
    return Figures(p95, rows, {"facts": facts, "median_ms": {name: cost[0] for name, cost in costs.items()}})


async def _near(at: Place, kind: str, pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Each pair in a scope of its own: how near, and what became of the second."""
    embedder, near, became = at.desk.means.maker().embedder, [], Counter[str]()
    for number, pair in enumerate(pairs):
        one, other = await embedder.embed(pair, lane="query", deadline_s=60)
        near.append(float(one @ other))
        facts = [NewFact(text, scope=f"project:{kind}{number}") for text in pair]
        became[[(await at.desk.remember(fact, CALLER)).outcome for fact in facts][1]] += 1
    low, middle, high = min(near), sorted(near)[len(near) // 2], max(near)
    outcomes = {outcome: became[outcome] for outcome in ("merged", "conflict", "created")}
    return {"pairs": kind, "n": len(pairs), "min": low, "median": middle, "max": high, **outcomes}


async def _costs(at: Place, timed: int) -> dict[str, tuple[float, float]]:
    """Median and 95th percentile in milliseconds, by what is done."""
    session = (await at.desk.start_session(MANY, "", CALLER)).session.id
    embedder = at.desk.means.maker().embedder

    def text(what: str, number: int) -> str:
        return f"On day {number} of the {what} the pump in the cellar drew {number * 7 % 90} litres an hour."

    ways: dict[str, Callable[[int], Awaitable[Any]]] = {
        "embed": lambda n: embedder.embed([text("test", n)], lane="query", deadline_s=60),
        "remember": lambda n: at.desk.remember(NewFact(text("year", n), MANY), CALLER),
        "log_event": lambda n: at.desk.log_event(NewEvent(text("week", n), session_id=session), CALLER),
    }
    return {name: await _timed(way, timed) for name, way in ways.items()}


async def _timed(way: Callable[[int], Awaitable[Any]], timed: int) -> tuple[float, float]:
    took = []
    for number in range(timed):
        begun_s = time.perf_counter()
        await way(number)
        took.append((time.perf_counter() - begun_s) * 1000)
    cuts = quantiles(took, n=20)
    return cuts[9], cuts[18]


def main() -> int:
    """Measure, print, write."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--facts", type=int, default=10_000, help="facts in the scope that is written to")
    args = parser.parse_args()
    facts, timed = (1000, 50) if args.quick else (args.facts, TIMED)
    publish(asyncio.run(measured(facts, timed)), args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

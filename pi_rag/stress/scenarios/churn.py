"""Files created, edited, moved and deleted by the thousand under `watch`: in the end, the index has what the
disk has, and nothing else.
"""

from __future__ import annotations

import contextlib
from collections import Counter

from pi_rag.client import Client
from pi_rag.errors import PiRagError
from pi_rag.stress import ending, neighbours
from pi_rag.stress.papers import exported
from pi_rag.stress.patience import asked
from pi_rag.stress.tally import judged
from pi_rag.stress.types import Scenario, Stage
from pi_rag.stress.yard import Yard, word_of

FILES, FILES_QUICK = 1000, 60
CHANGES, CHANGES_QUICK = 4000, 150
BURST = 10
"""So many changes come at once, as when a program writes."""
BETWEEN_S_MAX, BETWEEN_QUICK_S_MAX = 1.5, 0.4
"""Between two bursts, at most."""
FIRST_S_MAX = 600.0
"""Until the files of the beginning are in: they are all made at once."""
RIGHT_S_MAX = 60.0
"""After the last change, all is right within this time."""
HOPELESS_S_MAX = 300.0
"""So long it is waited for whether it becomes right at all."""
LOOKED_FOR = 300
"""So many words, of texts that are there and of texts that are gone, are searched for."""
FOUND, GONE = "files are found by their own word", "what is gone is found no more"
GUESTS, PACE_S = 2, 0.3
LOOK_S = 0.5


def run(stage: Stage) -> None:
    """Watch a folder, have things happen in it, and compare."""
    quick = stage.is_quick
    others = neighbours.share(1.0)
    files = FILES_QUICK if quick else FILES
    yard = Yard(stage.folder / "yard", stage.seed, files_max=files * 2)
    yard.fill(files)
    client = stage.service.client
    watch = client.watch(str(yard.folder), collection="default")["id"]
    first = ending.seen(stage, lambda: not _wrong(client, yard), FIRST_S_MAX, LOOK_S)
    told = _told(stage, _wrong(client, yard), first)
    stage.check("what is there at first is taken in", f"{files} files", told, first)
    stage.mark("churn")
    with stage.crowd(GUESTS, {"search": 1.0}, pace_s=PACE_S) as crowd:
        wanted = CHANGES_QUICK if quick else CHANGES
        changes = _churn(stage, yard, wanted)
        stage.mark("churn over")
        right = _right_again(stage, client, yard, others)
    stage.check("searches are answered meanwhile", "0 errors", *judged({"search": crowd.seen("search")}))
    # With fewer the time was over: there is nobody to blame.
    stage.check(
        "enough happened to tell", f"{wanted} changes", str(changes), True if changes >= wanted else None
    )
    stage.figure("changes", changes)
    for way, count in yard.done.items():
        stage.figure(f"changes_{way.replace(' ', '_')}", count)
    if right is None:
        _leave_out(stage, client, watch)
    else:
        _look_for_words(stage, client, yard)


def _churn(stage: Stage, yard: Yard, count: int) -> int:
    """How many changes there were until no more time was left than it takes to see what came of them."""
    between_s_max = BETWEEN_QUICK_S_MAX if stage.is_quick else BETWEEN_S_MAX
    last_s = ending.last_s(stage, HOPELESS_S_MAX)
    for number in range(count):
        if number % BURST == 0:
            stage.pause(stage.dice.uniform(0.0, between_s_max))
            if stage.left_s() <= last_s:
                return number
        yard.change()
    return count


def _right_again(stage: Stage, client: Client, yard: Yard, others: float) -> bool | None:
    """Whether the index follows the disk in the end; None: the run's time was over."""
    began_s = stage.elapsed_s()
    right = ending.seen(stage, lambda: not _wrong(client, yard), HOPELESS_S_MAX, LOOK_S)
    took_s = stage.elapsed_s() - began_s
    told = _told(stage, _wrong(client, yard), right)
    stage.check("the index has what is on the disk, and nothing else", "0 differences", told, right)
    asked, seen = f"within {RIGHT_S_MAX:g} s", f"{took_s:.1f} s for {len(yard.files)} files"
    is_soon = took_s <= RIGHT_S_MAX
    if right is None and is_soon:
        stage.check("right again soon", asked, ending.why(stage), None)
        return None
    stage.figure("right_after_s", took_s)
    stage.check("right again soon", asked, *neighbours.judged(is_soon, seen, others))
    return right


def _wrong(client: Client, yard: Yard) -> Counter[str]:
    """What sets the index apart from the disk, by kind."""
    wanted = {str(path): text for path, text in yard.files.items()}
    found = {each["source"]: each["text"] for each in exported(client)}
    other = [source for source, text in wanted.items() if found.get(source, text).strip() != text.strip()]
    wrong = Counter(missing=len(wanted.keys() - found.keys()), changed=len(other))
    wrong["too many"] = len(found.keys() - wanted.keys())
    return +wrong


def _told(stage: Stage, wrong: Counter[str], right: bool | None) -> str:
    told = ", ".join(f"{count} {what}" for what, count in wrong.items()) or "none"
    return f"{told}, when {ending.why(stage)}" if right is None else told


def _leave_out(stage: Stage, client: Client, watch: int) -> None:
    """What the index does not have yet cannot be looked for, and need not be taken in any more."""
    with contextlib.suppress(PiRagError):
        client.unwatch(watch)
    ending.give_up(client)
    for name in (FOUND, GONE):
        stage.check(name, "all that was to be", ending.why(stage), None)


def _look_for_words(stage: Stage, client: Client, yard: Yard) -> None:
    """Each text that is there is found by its own word; those that are gone are not."""
    there = [(word_of(text), str(path)) for path, text in sorted(yard.files.items())]
    gone = sorted(set(yard.gone))
    there = stage.dice.sample(there, min(LOOKED_FOR, len(there)))
    gone = stage.dice.sample(gone, min(LOOKED_FOR, len(gone)))
    answers = [(source, _sources(client, word)) for word, source in there]
    found = [None if sources is None else source in sources for source, sources in answers]
    ghosts = [_sources(client, word) for word in gone]
    _tell(stage, FOUND, "all", found)
    is_gone = [None if sources is None else not sources for sources in ghosts]
    _tell(stage, GONE, "none", is_gone)


def _tell(stage: Stage, name: str, asked_for: str, right: list[bool | None]) -> None:
    """Of each word whether it was right; None: nobody said so. Without all answers, none is kept."""
    wrong, unsure = right.count(False), right.count(None)
    seen = f"{wrong} wrong" + (f", {unsure} not answered" if unsure else "")
    is_kept = False if wrong else True if right and not unsure else None
    stage.check(name, f"{asked_for} of {len(right)}", seen, is_kept)


def _sources(client: Client, word: str) -> set[str] | None:
    """Where it is; None: nobody said so, also when asked again."""
    with contextlib.suppress(PiRagError):
        return {hit["source"] for hit in asked(lambda: client.search(word, mode="text", k=3))["hits"]}
    return None


SCENARIO = Scenario(
    name="churn",
    about="thousands of files created, edited, moved and deleted under watch: the index follows the disk",
    minutes=30.0,
    quick_minutes=8.0,
    run=run,
)

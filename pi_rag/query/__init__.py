"""The desk of searches: a question in, cited passages out.

`desk` tells the story from a query to its answer. `question` is what may be asked and what comes back;
`fusing` makes one ranking of two lists, `choosing` takes the few that are shown, `reading` turns those into
cited texts; `course` keeps the times. It knows both workshops, and neither HTTP nor processes.
"""

from __future__ import annotations

from pi_rag.query.desk import QueryDesk
from pi_rag.query.question import Answer, Hit, Question

__all__ = ["Answer", "Hit", "QueryDesk", "Question"]

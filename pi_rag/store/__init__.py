"""The one SQLite file: documents, passages, words, vectors and the queue.

`store.py` is the way in. The other rooms' functions take a `Connection` first and run inside `Store.read` or
`Store.write`; a desk may write small functions of its own that compose them, and types them with the name
exported here, so that nobody outside this folder imports apsw.

This folder knows no model, no HTTP and no document format.
"""

from __future__ import annotations

import apsw

Connection = apsw.Connection

__all__ = ["Connection"]

"""The embedder: texts in, unit vectors out, from worker processes that share one model.

`pool` is the door. `lanes` decides who is next; `nursery` forks workers; `worker` answers; `engine` is the
model; `wire` is what goes between them. It does not know documents, searches or the database.
"""

"""The RAM index: a few bits of every vector, which propose the passages that exact vectors then decide on.

It is derived: made from the database, kept in step with it, and thrown away without loss. It knows numbers
and vectors, and neither SQLite nor texts.
"""

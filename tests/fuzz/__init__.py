"""Input that nobody would write, at every door of the program: seeded, bounded, and replayed if it found
something.

What is thrown at what, and why with these tools, is in docs/decisions/fuzzing.md. `python -m tests.fuzz.run`
is the long form.
"""

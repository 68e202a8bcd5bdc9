"""The parts of `python -m benchmarks.embed`: who is measured, with which texts and weights, and when."""

import os

# On a busy machine numpy's own threads wait for each other ten times longer than they compute. It reads this
# when it is first imported. The peers do not inherit it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

"""What `pi-rag serve` runs under to have faults of memory that a test can call for.

What is shipped has none of them. The service is the real one; only its children are started from modules of
the tests, which are the real ones too until a file appears in the folder that FAULTS names:

leak      "MIB MIB_S": the worker that takes it leaks so much at once, and so much a second from then on

And until a document comes that says so: see faulty_reader. What the kernel tells of its cgroup and of
pressure is read below the folder MACHINE, if there is one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pi_rag.cli.main import main
from pi_rag.embedder import links
from pi_rag.ingest.reading import Reader
from pi_rag.service.sampling import Sampler

if __name__ == "__main__":
    links.NURSERY = "tests.stress.faulty_nursery"
    assert Reader.__init__.__kwdefaults__ is not None
    Reader.__init__.__kwdefaults__["module"] = "tests.stress.faulty_reader"
    assert Sampler.__init__.__kwdefaults__ is not None
    Sampler.__init__.__kwdefaults__["root"] = Path(os.environ.get("MACHINE", "/"))
    # What follows on the command line is the service as it would be started otherwise.
    sys.exit(main(sys.argv[sys.argv.index("pi_rag.cli.main") + 1 :]))

"""An environment in which a child process is as a person's would be: without the measuring of coverage."""

import os


def plain_environ() -> dict[str, str]:
    """This process's environment; coverage would load libraries of its own into the child."""
    return {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}

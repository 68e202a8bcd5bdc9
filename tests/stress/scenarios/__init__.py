"""Each scenario in its short form, against a real service; with `--long` in its whole one."""

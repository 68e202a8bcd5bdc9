"""Child processes: how one is spawned, spoken to, limited and buried. It does not know what they work on."""

"""The desk where documents come in: walk, read, cut, embed, store."""

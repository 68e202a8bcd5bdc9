"""Reading a damaged database without SQLite: page by page, from a file that is never written to."""

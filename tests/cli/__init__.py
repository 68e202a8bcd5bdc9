"""The command line, against a stand-in service."""

"""The tests that hold the pages to the code."""

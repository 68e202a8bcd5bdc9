"""The pages for people, and `docs.build`, which writes those that come from the code."""

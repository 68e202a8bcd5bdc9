"""The tests of the door for agents."""

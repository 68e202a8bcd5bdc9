"""The tables of agents' memory, a file for each thing that is kept. What is decided about it lies above."""

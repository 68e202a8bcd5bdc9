"""The bridge for agents that can only start a program: standard input and output on one side, the service on
the other.

It is the standard library alone, holds no state of the service's and no model, and ends with its client.
"""

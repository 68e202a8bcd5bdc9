"""The stress harness, `pi-rag stress`: seeded traffic and faults against a service of its own, and what must
be so after them.

It starts the same program that a person starts, in a folder of its own, and knows only the command line, the
socket, and what the kernel tells of processes: what it shows is what is shipped. It sends load to its own
socket alone, for a bounded time, and leaves nothing behind but its report.
"""

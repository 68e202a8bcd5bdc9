"""The Pi and its operating system: what the machine offers, and how systemd is told."""

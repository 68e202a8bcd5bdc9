"""The service on a whole machine: a Debian with systemd as its first process, in a container of its own."""

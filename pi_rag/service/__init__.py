"""The one supervisor process: it owns the database, the workers and the socket, and answers guests."""

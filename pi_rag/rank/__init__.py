"""What comes first: pure thinking over (id, score) pairs and vectors. It reads no text and no database."""

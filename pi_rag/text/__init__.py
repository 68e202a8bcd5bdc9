"""The reading table: pure thinking about text. No file, no process, no model, no clock."""

"""What a table of results supports: the question, the design, the statements."""

"""What the program says on paper: JSON, tables, Markdown, CSV."""

"""What is found, drawn: tables, plots, sheets of crops, sections of the docs."""

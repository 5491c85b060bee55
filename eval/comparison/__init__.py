"""What is compared, under which conditions, and what is found."""

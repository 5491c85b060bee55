"""Films read: what they are, their frames with their times, and what must be known of both."""

"""Pictures and clips that are made, not taken: nobody's, with their truths known."""

"""Film in and out: video files, numbered pictures and y4m streams, restored frame by frame with nothing lost."""

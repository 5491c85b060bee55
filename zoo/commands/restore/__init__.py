"""`filmzoo restore`: `flags` are what it takes, `run` tells films from pictures, each of which has its body."""

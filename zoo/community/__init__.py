"""Weights that others made: `torch_file` and `weights` read their files, `find` tells the network."""

"""Networks as files for other programs: `graph` writes the nodes, `draw` says which, `onnx_file` makes the file."""

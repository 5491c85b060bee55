"""Motion between frames: by blocks, of each pixel, of the camera, of a painted line."""

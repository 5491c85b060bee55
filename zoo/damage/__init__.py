"""What training undoes, one file a damage: `(key, clips, *, levels, ...) -> Pair`, drawn on the device.

Clips are RGB float in [0, 1], [n t h w 3]; stills, whose t is 1, may leave that axis out. All functions jit.
"""

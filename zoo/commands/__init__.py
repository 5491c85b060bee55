"""The sub-commands of `filmzoo`, a module each: its flags, its rules, its body.

Whatever takes long to import (JAX, PyAV, the models) is imported by the bodies alone, so that `--help` and mistakes in
flags answer at once.
"""

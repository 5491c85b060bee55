"""The one training loop and what it is made of: settings, data, state, checkpoints, validation, log."""

"""What can be done with a film: one file a step, `step` the contract between them."""

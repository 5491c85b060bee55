"""Networks that others designed and trained, a file a family; `family` is what each says of itself."""

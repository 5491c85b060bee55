"""Films written: encoded in segments, put together with what is copied, finished and verified."""

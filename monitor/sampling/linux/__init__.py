"""The reader for Linux, from `/proc` and `/sys`."""

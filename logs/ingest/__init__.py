"""Whole files, as fast as it goes: ingest jobs and the older parts of big files come in, records go out to storing."""

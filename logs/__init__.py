"""What the machine writes: sources, formats, tailing, ingest and search of log records."""

"""Measurements to a report: figures, verdicts, history, and the exports as JSON, CSV, HTML and log lines."""

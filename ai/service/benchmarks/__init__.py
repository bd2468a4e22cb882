"""Benchmarks as the service runs them: who takes part, progress, history, and adopted settings."""

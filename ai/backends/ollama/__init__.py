"""Ollama's own API. Requests come in, timed chunks go out."""

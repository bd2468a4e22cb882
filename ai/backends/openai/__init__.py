"""Servers that speak OpenAI's API. Requests come in, timed chunks go out."""

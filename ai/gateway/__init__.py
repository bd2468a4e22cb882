"""One address for every program: OpenAI's and Ollama's API on a loopback port, answered by the engine that the measured policy chooses.

A process of its own (`python -m ai.gateway`). Lines of JSON come in by standard input (which engines there are, in which order; keys; limits) and go
out by standard output (every call that was answered, and the state); it ends when standard input closes.
"""

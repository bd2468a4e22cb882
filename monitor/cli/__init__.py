"""The command line: options come in, the agent answers, text or JSON goes out."""

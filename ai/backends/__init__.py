"""The engines behind the one protocol of `ai.protocol`."""

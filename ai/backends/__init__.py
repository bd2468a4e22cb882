"""The engines behind the one protocol of `ai.core.protocol`."""

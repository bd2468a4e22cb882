"""What is measured, and how it travels: the catalogue of metrics, and the messages between sampler and agent. Readings come in, typed messages go out."""

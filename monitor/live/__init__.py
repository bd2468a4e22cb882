"""The present: the sampler's messages come in; a snapshot of the machine and frames for open pages go out."""

"""What the machine does: sampling, the store, the agent, its API, client and command line."""

"""What pages share besides components: the client of the agent with error and empty states, the visitor and their role, the settings form."""

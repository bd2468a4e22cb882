"""Services: commands that are kept running. Settings and clicks come in; a small process (`shim`) is started for each service, adopted again after a restart of the agent, and asked for its state."""

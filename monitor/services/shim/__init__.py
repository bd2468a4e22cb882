"""The parent process of one service. It knows the standard library only, outlives the agent, and restarts the service by itself; commands and states pass a Unix socket in the service's folder."""

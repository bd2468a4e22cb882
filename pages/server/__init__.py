"""The dashboard's server: sign-in, routes, relay to the agent, static files, start and end."""

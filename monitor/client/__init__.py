"""The typed client of the agent's API, for pages, command line and scripts. It returns the models of `monitor.api_models`."""

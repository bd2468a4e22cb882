"""Each shape of the API, defined once: the agent answers with these models, client and pages read them."""

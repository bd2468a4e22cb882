"""The dashboard: one script for each page and the frame around them; `server` has the routes, `ui` the components, `shared` what pages share.

Pages read from the agent through `monitor.client` and know nothing else of `monitor` but its API models, settings and core.
"""

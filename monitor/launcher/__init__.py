"""`watchkeeper up`: starts the agent and the dashboard, restarts what crashes, and stops what it started."""

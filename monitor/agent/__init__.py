"""The agent process: puts the parts together, runs them, and ends them in order. The one place that knows everyone."""

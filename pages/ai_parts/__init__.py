"""Parts of the AI page: engines, the benchmark from offer to history, a posting to try, explanations."""

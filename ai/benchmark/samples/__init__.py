"""Which measurements count: what spoils one, and what makes the set-ups of two engines comparable."""

"""What all readers share: their interface, columns, rates, and threads for slow readings."""

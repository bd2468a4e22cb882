"""What the pages share: the live components, the time range, the status strip and the numbers."""

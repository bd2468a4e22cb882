"""What was read on its way to the store: records and the checkpoint of their file go out together."""

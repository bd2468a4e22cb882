"""What everything in `ai` stands on: requests and events, the protocol of a back end, errors, deadlines. It knows nothing above it."""

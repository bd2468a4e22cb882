"""What everything in `logs` stands on: records, levels, time stamps, file fingerprints, errors. It knows nothing above it."""

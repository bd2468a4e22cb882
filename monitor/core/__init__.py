"""What everything in `monitor` builds on: errors, paths and addresses. It knows no other folder of `monitor`."""

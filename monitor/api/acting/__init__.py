"""Routes that act on services and processes, the gate that all of them pass, and the audit table of what was done."""

"""Patterns: what records have in common once their values are taken out.

Messages come in; patterns (`Invalid user <*> from <*>`) with exact counts go out. Nothing is configured, and nothing depends on the order of the messages.
"""

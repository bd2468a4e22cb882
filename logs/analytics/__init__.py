"""What the stored records say together: how often each pattern occurs, and what differs between two ranges of time.

Filters come in, counts go out; every count is of all records in its range, none is an estimate.
"""

"""What is known of runs, from the snapshot and from the store: one life, those that ended, all at a past moment, and why one ended.

Comes in: the store and the number of a run. Goes out: shapes of the API.
"""

"""Jobs: the units of work that programs report. Workers append events to spool files (`track.py`); the agent reads them,
counts each exactly once, and stores counts and jobs in one transaction with the position in the file.
"""

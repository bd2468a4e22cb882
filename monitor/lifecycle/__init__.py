"""How processes end: their exit codes, signals and times, also of those that are nobody's child and of very short lives.

Comes in: pids. Goes out: `Exit`s. `open_exits` takes the best source that the kernel grants:

    connector.ProcConnector   netlink's process events: every exit of the machine, also between two sweeps
    pidfd.PidfdWatch          a descriptor per known process: the time of its end, and its exit code since Linux 6.15

Without either, the sweep over `/proc` still sees that a process is gone. `acting` sends signals to a process, and `sockets` reads its connections, when somebody asks.
"""

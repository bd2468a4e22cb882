"""The sampler: an OS process that reads the machine once a second and sends messages to the agent through a pipe.

    python -m monitor.sampling          frames on standard output until standard input ends
     ├─ loop.Sampler                    absolute deadlines, sequence numbers, clock steps, quality
     ├─ linux.reader.ProcfsReader       Linux: files of /proc that stay open
     ├─ portable.reader.PortableReader  other systems: psutil
     ├─ gpu.watch.GpuWatch              NVML, in a thread
     └─ outlet.Outlet                   a bounded queue in front of the pipe

`process.SamplerProcess` is the agent's side: it starts the process, reads its frames and restarts it.
Nothing is imported here, so that the sampler stays small.
"""

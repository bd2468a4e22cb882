"""The sampler: an OS process of its own that reads the machine once a second and tells the agent over a pipe.

    python -m monitor.sampling          frames on standard output until standard input ends
     ├─ loop.Sampler                    absolute deadlines, sequence numbers, clock steps, quality
     ├─ procfs.ProcfsReader             Linux: kept-open /proc files
     ├─ portable.PortableReader         elsewhere, and for comparison: psutil
     ├─ gpu.GpuWatch                    NVML in a thread of its own
     └─ outlet.Outlet                   a bounded queue in front of the pipe

`process.SamplerProcess` is the agent's side: it starts the process, reads its frames and restarts it.
Nothing is imported here, so that the sampler stays small.
"""

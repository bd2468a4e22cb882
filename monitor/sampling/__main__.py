"""`python -m monitor.sampling`: the sampler process. Frames (`monitor.metrics.messages`) go to standard output."""

import argparse
import gc
import os
import re
import sys
from collections.abc import Callable, Sequence

import msgspec

from logs.redaction.masker import Masker
from monitor.sampling.core.priority import be_prompt
from monitor.sampling.core.reader import Reader
from monitor.sampling.gpu.nvml import Nvml
from monitor.sampling.gpu.watch import GpuWatch
from monitor.sampling.loop import Clock, Sampler
from monitor.sampling.outlet import Outlet
from monitor.sampling.stopping import Stopping


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until standard input ends, standard output breaks, or SIGTERM comes."""
    parser = argparse.ArgumentParser(prog="python -m monitor.sampling", description=__doc__)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="time between samples (0.05-60)")
    parser.add_argument("--reader", choices=("auto", "procfs", "portable"), default="auto", help="how to read")
    parser.add_argument(
        "--buffer", type=int, default=4 * 1024 * 1024, metavar="BYTES", help="how much may wait for a slow reader"
    )
    parser.add_argument(
        "--masks-from-input",
        action="store_true",
        help="the first line of standard input is a JSON list of patterns to hide in command lines",
    )
    options = parser.parse_args(arguments)
    if not 0.05 <= options.interval <= 60:
        parser.error("--interval must lie between 0.05 and 60 seconds")
    if sys.stdout.isatty():
        parser.error("frames are binary; standard output must be a pipe or a file")
    try:
        masker = Masker(_patterns(0) if options.masks_from_input else ())
    except (ValueError, re.error) as error:
        parser.error(f"the patterns to hide cannot be used: {error}")
    be_prompt()
    stopping = Stopping()
    stopping.on_signals()
    stopping.on_end_of(0)
    reader = _reader(options.reader, masker)
    gpus = GpuWatch(Nvml(), interval_s=max(options.interval, 1.0))
    gpus.start()
    outlet = Outlet(1, stopping.stop, limit=options.buffer)
    sampler = Sampler(
        reader,
        gpus,
        outlet,
        interval_s=options.interval,
        rss=_rss_source(),
        clock=Clock(),
        pid=os.getpid(),
    )
    gc.collect()
    gc.freeze()
    sampler.run(stopping)
    outlet.close()
    reader.close()
    return 0


def _patterns(fd: int) -> list[str]:
    """The patterns on the first line of `fd`. No byte after it is read.

    Raises:
        ValueError: the line is no JSON list of strings.
    """
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(fd, 1)
        if not byte:
            break
        line += byte
    return msgspec.json.decode(line, type=list[str])


def _reader(choice: str, masker: Masker) -> Reader:
    """The reader for this system. The other one is not imported."""
    if choice == "procfs" or (choice == "auto" and sys.platform == "linux"):
        from monitor.sampling.linux.reader import ProcfsReader

        return ProcfsReader(masker)
    from monitor.sampling.portable.reader import PortableReader

    return PortableReader(masker)


def _rss_source() -> Callable[[], int]:
    """Reads this process's resident memory, bytes."""
    if sys.platform == "linux":
        fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        page = os.sysconf("SC_PAGE_SIZE")
        return lambda: int(os.pread(fd, 128, 0).split()[1]) * page
    import psutil

    process = psutil.Process()
    return lambda: int(process.memory_info().rss)


if __name__ == "__main__":
    code = main()
    os._exit(code)

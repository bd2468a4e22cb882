"""llama.cpp's own HTTP server on a port, over the model that comes along, which answers only who knows the key: `locked_server.py PORT KEY`."""

import sys
import time

import xllamacpp

from ai.discovery.files import demo_model


def main() -> None:
    """Serve until killed."""
    params = xllamacpp.CommonParams()
    params.model.path = str(demo_model())
    params.hostnames = ["127.0.0.1"]
    params.port = int(sys.argv[1])
    params.api_keys = [sys.argv[2]]
    params.ui = False
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cache_ram_mib = 0
    params.fit_params = False
    params.verbosity = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    print("ready", flush=True)
    while server:
        time.sleep(60)


if __name__ == "__main__":
    main()

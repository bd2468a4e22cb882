"""The contract with the real ExLlama packages needs torch (200 MB and more): it is only collected with WATCHKEEPER_CONTRACTS=1."""

import os

collect_ignore = [] if os.environ.get("WATCHKEEPER_CONTRACTS") == "1" else ["test_exllama_packages.py"]

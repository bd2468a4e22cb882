"""What a process does to itself."""

import subprocess
import sys

LOADS = """
import gc
from monitor.core.this_process import begin_loading, end_loading

usual, looked = gc.get_threshold(), []
gc.callbacks.append(lambda phase, told: looked.append(phase))
begin_loading()
kept = [[number] for number in range(20_000)]
assert not looked
end_loading()
assert (gc.get_threshold(), gc.get_freeze_count() > 20_000) == (usual, True)
kept = [[number] for number in range(20_000)]
assert looked
"""


def test_what_is_loaded_is_not_looked_over_for_garbage() -> None:
    """While a program loads, nothing is; afterwards garbage is collected as before, without what was loaded."""
    subprocess.run([sys.executable, "-c", LOADS], check=True)

"""`python -m monitor …` is `watchkeeper …`."""

from monitor.core.this_process import begin_loading

begin_loading()

from monitor.cli.app import main  # noqa: E402 - its imports are most of what is loaded

main()

"""`python -m monitor …` is `watchkeeper …`."""

from monitor.cli import main

main()

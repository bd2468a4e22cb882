"""`python -m monitor …` is `watchkeeper …`."""

from monitor.cli.app import main

main()

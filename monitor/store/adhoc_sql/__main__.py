"""The process that runs a person's SQL: `python -m monitor.store.adhoc_sql`."""

from monitor.core.this_process import without


def main() -> None:
    """Run it without what Arrow would import and has no use for here: a third of a start, and 20 MB."""
    without("pandas")
    without("numpy")
    from monitor.store.adhoc_sql import child

    child.main()


if __name__ == "__main__":
    main()

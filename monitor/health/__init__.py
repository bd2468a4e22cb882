"""Alerts: rules over readings, log records and failures. Samples, records and events come in; alerts go to the store, the pages, and whoever is notified."""

"""The parts of pages: live components with their scripts in `assets`, time range, header, charts, number formats, exports."""

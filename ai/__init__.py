"""What thinks: model engines, their discovery, measurement and use."""

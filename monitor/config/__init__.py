"""Settings and API keys: TOML file, environment and options come in, one validated `Settings` goes out."""

"""What the service works with: its settings, the engines that can be used, and where calls and benchmarks are kept."""

"""Readings of NVIDIA GPUs through NVML, in a thread that may hang without affecting the rest."""

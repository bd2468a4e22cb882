"""Engines that live in a process of their own, because a crash or a leak must end a worker and not the watch.

`supervisor` and `process` run in the parent; `guard` and the folder `engines` run in the worker only, and they
alone import llama.cpp or torch.
"""

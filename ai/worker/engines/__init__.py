"""What runs inside an engine's worker process: llama.cpp and ExLlama behind one chat server. The only place that imports an engine."""

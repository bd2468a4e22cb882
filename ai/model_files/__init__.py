"""Model files on disk: what a GGUF file says, its digest, and the memory its model will take."""

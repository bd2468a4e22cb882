"""The reader for systems without `/proc`, from psutil."""

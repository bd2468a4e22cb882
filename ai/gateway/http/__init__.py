"""HTTP/1.1 over asyncio and httptools: the connections of programs, and those to engines."""

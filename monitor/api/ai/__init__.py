"""`/v1/ai/*`: requests come in, `ai.service` is asked with a deadline, its shapes go out. The evidence for opinions is read from the store here."""

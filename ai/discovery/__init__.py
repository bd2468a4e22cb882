"""How each kind of engine is asked whether it is there. None of them imports an engine."""

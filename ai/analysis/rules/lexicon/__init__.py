"""Words the rules look for, in nine languages. Tables only."""

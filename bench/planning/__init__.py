"""Before a run: what it will take, what to choose, what to expect."""

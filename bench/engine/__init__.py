"""The run itself: dispatch, journal, budget, stop."""

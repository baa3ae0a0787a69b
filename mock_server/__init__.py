"""A stand-in for the Claude API with its limits, latencies and errors.  Knows nothing of bench."""

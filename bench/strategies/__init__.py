"""How requests are let through: limits, pacers, retry policies."""

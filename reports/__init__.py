"""Shows results: console, HTML.  Reads records and summaries, never sends anything."""

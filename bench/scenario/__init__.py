"""The scenario file: its model, its written units, loading with every problem at once, its JSON Schema."""

"""What is sent and when it arrives: prompts, sizes, arrivals, traces."""

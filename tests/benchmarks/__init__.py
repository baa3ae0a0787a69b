"""How fast, how large and how true we are, beside others; `make bench` and `make bench-peers`."""

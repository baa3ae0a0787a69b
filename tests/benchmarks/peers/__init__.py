"""Load generators beside ours, each in a file: what installs it, its command line, and where it says what it measured.

`make bench-peers` installs them in environments of their own and lets them do the same work against the same server.
"""

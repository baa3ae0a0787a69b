"""The commands, a file each or a few that belong together: parse, call, print, return the exit code.  No logic."""

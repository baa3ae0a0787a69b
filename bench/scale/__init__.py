"""One run on many processes and machines: who sends what, and who may use how much of what they share."""

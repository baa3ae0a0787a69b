"""What is sent and when: requests, their sizes, prompts and intended times."""

"""What runs a turn of conversation: the runtime interface and the agents behind it."""

"""What passes between the gateway and whoever started it: messages, their pipes, and the keys of programs."""

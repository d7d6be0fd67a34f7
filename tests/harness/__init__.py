"""What tests share: a server on a real socket, in this process or in one of its own, and a client that checks."""

"""Log-in: passwords, sessions, and who a request or socket speaks for."""

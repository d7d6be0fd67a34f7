"""HTTP, thin: parse, call a service, answer."""

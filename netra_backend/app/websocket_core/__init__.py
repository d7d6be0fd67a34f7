"""Sockets: one manager per user, one connection per socket."""

"""The server: protocol, storage, log, sockets, agents and the routes that join them."""

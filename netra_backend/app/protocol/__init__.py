"""The wire: events, frames, and the one codec that both directions use."""

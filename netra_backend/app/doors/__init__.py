"""Connections: how much, how long and how many, before anybody has said who they are."""

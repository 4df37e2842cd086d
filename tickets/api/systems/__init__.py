"""Trackers: external systems, their links to projects, and the tickets in them."""

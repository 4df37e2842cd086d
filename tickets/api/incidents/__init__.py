"""Incidents, and the steps and nodes that they were found by."""

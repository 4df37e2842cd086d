"""Jira, Cloud and Data Center: one connector, and what differs between the two."""

from tickets.trackers.jira.tracker import JiraTracker

__all__ = ["JiraTracker"]

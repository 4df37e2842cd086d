"""The task types that keep the installation itself in order; all belong to the system account."""

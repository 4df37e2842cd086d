"""The worker command's inside: the keeper loop and the supervisor of a cluster."""

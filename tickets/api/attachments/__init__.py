"""Files that are attached to steps, results and incidents."""

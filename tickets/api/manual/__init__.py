"""What people test by hand: scripts, their assignments, runs and steps; agile runs."""

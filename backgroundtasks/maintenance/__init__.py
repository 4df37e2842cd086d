"""What keeps the installation itself in order: backups, restoring, cleaning, health."""

"""ArcGIS Enterprise Administrator API: scheduled system tasks, its HTML directory, its tokens."""

"""SailPoint's task-status API: paths, words, filters, patches, errors."""

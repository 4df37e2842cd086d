"""The search index: what an app registers, how it is kept, and the query language that asks it."""

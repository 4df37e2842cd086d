"""Task types that do next to nothing: what is measured is everything around them."""

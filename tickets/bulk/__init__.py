"""Actions on many entities at once: which ones, and what is done with a batch of them."""

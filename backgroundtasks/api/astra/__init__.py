"""NetApp Astra Control's tasks: our runs, read by that product's clients."""

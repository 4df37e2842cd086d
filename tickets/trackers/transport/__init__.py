"""How we talk to programs that other people run: bounded in time and size, to checked addresses."""

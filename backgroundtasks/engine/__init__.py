"""
The engine: workers pull runs from the run table and keep its state true.

django-q2 gives the processes (a sentinel that keeps workers alive, a pusher that wakes them);
everything that must not be lost is in the database.
"""

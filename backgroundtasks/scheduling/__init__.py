"""When a task runs next, and firing what is due: once, however many keepers look."""

from backgroundtasks.scheduling.firing import fire_due, next_due
from backgroundtasks.scheduling.rearming import rearm
from backgroundtasks.scheduling.times import first_time

__all__ = ["fire_due", "first_time", "next_due", "rearm"]

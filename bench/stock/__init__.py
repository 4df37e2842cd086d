"""The other side: stock django-q2 with its ORM broker, a bare view, a plain REST framework view."""

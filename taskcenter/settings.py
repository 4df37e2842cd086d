"""
Settings of the task center: the one place that reads the environment.

Every variable is described in `docs/reference/settings.md`; a test compares the two.
"""

from __future__ import annotations

import os
from pathlib import Path

import dj_database_url

from taskcenter import keys

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str, *, default: bool) -> bool:
    """Return whether the environment variable says yes (`1`, `true`, `yes`, `on`)."""
    value = os.environ.get(name)
    return default if value is None else value.strip().lower() in {"1", "true", "yes", "on"}


def _words(name: str, default: str = "") -> list[str]:
    """Return the comma-separated words of an environment variable."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


DATA_DIR = Path(os.environ.get("TASKCENTER_DATA_DIR") or BASE_DIR / "var").resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True)

SECRET_KEY = keys.secret_key(DATA_DIR)
SECRET_KEY_FALLBACKS = _words("SECRET_KEY_FALLBACKS")
DEBUG = _flag("DEBUG", default=False)
ALLOWED_HOSTS = _words("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = _words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "tickets",
    "indexing",
    "backgroundtasks",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    # Before all others: while the installation is closed nothing may ask the database.
    "taskcenter.maintenance.Maintenance",
    "django.middleware.security.SecurityMiddleware",
    # Answers polls and submissions itself: what follows would cost each of them more than it gives.
    "backgroundtasks.api.enterprise_tester.shortcut.Shortcut",
    "backgroundtasks.api.astra.shortcut.Shortcut",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Vendors' clients POST with and without the slash; we answer both, never by a redirect.
APPEND_SLASH = False

ROOT_URLCONF = "taskcenter.urls"
WSGI_APPLICATION = "taskcenter.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


def _database() -> dict[str, object]:
    """Return the default database; SQLite and PostgreSQL are the two that we test."""
    url = os.environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'taskcenter.sqlite3'}"
    database: dict[str, object] = dict(dj_database_url.parse(url))
    # A reconnect for each task costs more than the task (a stock worker drains at a tenth).
    database["CONN_MAX_AGE"] = None
    database["CONN_HEALTH_CHECKS"] = True
    # Test runs side by side need databases of their own.
    # Nobody can be connected to template0, which would keep it from being copied.
    database["TEST"] = {"NAME": f"test_taskcenter_{os.getpid()}", "TEMPLATE": "template0"}
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"] = {"NAME": str(DATA_DIR / f"test_{os.getpid()}.sqlite3")}
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
                "PRAGMA cache_size=-65536; PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY;"
            ),
        }
    pool = int(os.environ.get("TASKCENTER_POOL") or 0)
    if pool and database["ENGINE"] == "django.db.backends.postgresql":
        # The web server's threads take turns; each would keep a connection of its own.
        database["CONN_MAX_AGE"] = 0
        database["OPTIONS"] = {"pool": {"min_size": 1, "max_size": pool, "timeout": 10}}
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns without it
WHITENOISE_USE_FINDERS = True

# Uploads, exports and attachments: a local folder, a shared path, or (a Django storage
# of your own) an object store where web and workers run on several machines.
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "uploads": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": os.environ.get("TASKCENTER_FILES_DIR") or str(DATA_DIR / "files"),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}

_HTTPS = _flag("TASKCENTER_HTTPS", default=False)
SECURE_SSL_REDIRECT = _HTTPS
# Supervisors and load balancers ask on the machine itself, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]
SESSION_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_SECURE = _HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if _flag("TRUST_PROXY", default=False) else None
)
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SAMESITE = "Lax"

_BACKUPS = os.environ.get("TASKCENTER_BACKUP_DIR") or str(DATA_DIR / "backups")

TASKCENTER = {
    "DATA_KEYS": keys.given_data_keys(),
    "DATA_KEYS_FILE": keys.data_keys_file(DATA_DIR),
    "WORKERS": int(os.environ.get("WORKERS") or 2),
    "BACKUP_STORES": {"default": _BACKUPS},
    "BACKUP_ROOTS": [
        root
        for root in (os.environ.get("TASKCENTER_BACKUP_ROOTS") or _BACKUPS).split(os.pathsep)
        if root
    ],
    "MAINTENANCE_DIR": os.environ.get("TASKCENTER_MAINTENANCE_DIR")
    or str(DATA_DIR / "maintenance"),
}

_PORT = os.environ.get("PORT") or "8000"
TICKETS = {
    "PUBLIC_URL": os.environ.get("TASKCENTER_PUBLIC_URL") or f"http://127.0.0.1:{_PORT}",
    "TRACKER_HTTP": _flag("TASKCENTER_TRACKER_HTTP", default=False),
    "TRACKER_NETWORKS": _words("TASKCENTER_TRACKER_NETWORKS"),
}

# Its deploy check walks every REST framework view there is.
REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Task center",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)-7s %(process)d %(name)s %(message)s"}
    },
    "filters": {
        # A probe that is answered 503 is not an error of the server, and comes every second.
        "no_probe": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                getattr(getattr(record, "request", None), "path", "") not in {"/livez", "/readyz"}
            ),
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": os.environ.get("LOG_LEVEL", "INFO")},
    "loggers": {
        # The library logs a line per process and task; ours says what an operator needs.
        "django-q": {"level": "WARNING"},
        # What is answered 4xx stands in the access log.
        "django.request": {"filters": ["no_probe"], "level": "ERROR"},
    },
}

"""Every knob, from the environment; each comment says what breaks at the extremes."""

import sys

from django.core.exceptions import ImproperlyConfigured

from imsite.core import logs
from imsite.env import BASE_DIR, data_dir, env, secret_key, valkey_socket
from imsite.settings_push import *  # noqa: F403
from imsite.settings_servers import *  # noqa: F403

DATA_DIR = data_dir()
SECRET_KEY = secret_key(DATA_DIR)
# Old keys still verify tokens and cursors while they are listed, so that a key can be changed.
SECRET_KEY_FALLBACKS = env.list("IM_SECRET_KEY_FALLBACKS", default=[])
DEBUG = False
# Where the web process listens; 0.0.0.0 opens it to the network, so put TLS in front.
IM_HOST = env.str("IM_HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
# Whether the first start fills an empty database with a small real conversation and demo users.
IM_DEMO = env.bool("IM_DEMO", default=True)
# Processes of the worker: each keeps some 60 MB, and one waits while a long task runs.
IM_WORKERS = env.int("IM_WORKERS", default=2)
ALLOWED_HOSTS = env.list("IM_HOSTS", default=["*"])
# Other sites whose pages may open sockets here, as scheme://host[:port].
IM_ORIGINS = env.list("IM_ORIGINS", default=[])
# Proxies in front whose X-Forwarded-For entries are believed; too many lets clients forge addresses.
IM_TRUSTED_PROXIES = env.int("IM_TRUSTED_PROXIES", default=0)
if IM_TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

INSTALLED_APPS = [
    # Only `runserver` needs it in this list, and its Twisted costs every process half a second.
    *(["daphne"] if "runserver" in sys.argv else []),
    "imsite.desk.apps.DeskAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "accounts.apps.AccountsConfig",
    "conversations.apps.ConversationsConfig",
    "messages.apps.MessagesConfig",
    "push.apps.PushConfig",
    "django_otp",
    "django_otp.plugins.otp_totp",
    # Last: it takes out of the admin what others put there, and gives groups what all have made.
    "imsite.desk.apps.DeskConfig",
]

# The API needs none of Django's page middlewares (they cost more than a page of history): Pages holds
# them all, in this order, and requests under /api/v1 pass it by.
MIDDLEWARE = ["imsite.core.middleware.RequestId", "imsite.core.middleware.Pages"]
IM_PAGE_MIDDLEWARE = [
    "imsite.desk.headers.Headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
SILENCED_SYSTEM_CHECKS = [
    # Django looks for middlewares in MIDDLEWARE and does not see them in there.
    "admin.E408",
    "admin.E409",
    "admin.E410",
    "security.W001",
    "security.W002",
    "security.W003",
    # Whether other hosts of a domain speak TLS, and for ever, is not for one of them to decide.
    "security.W005",
    "security.W021",
]

# on: browsers reach this server by TLS only. Pages are redirected to it, cookies never leave it, and
# browsers remember that for a year; off again, they cannot come back before it is over.
IM_TLS = env.bool("IM_TLS", default=False)
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IM_TLS
SECURE_HSTS_SECONDS = 31_536_000 if IM_TLS else 0
# Only the admin has cookies: nothing else is sent them, and no other site's page can use them.
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "imsite_staff", "imsite_csrf"
# Hours until staff must log in again: long ones leave desks open, short ones interrupt work.
IM_ADMIN_HOURS = env.int("IM_ADMIN_HOURS", default=12)
SESSION_COOKIE_AGE = IM_ADMIN_HOURS * 3600
# on: nobody works in the admin without one-time codes; off: only who set them up is asked for them.
IM_ADMIN_OTP = env.bool("IM_ADMIN_OTP", default=False)
OTP_TOTP_ISSUER = "imsite"
LOGIN_URL = "admin:login"

ROOT_URLCONF = "imsite.urls"
WSGI_APPLICATION = "imsite.wsgi.application"
ASGI_APPLICATION = "imsite.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "imsite" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'imsite.sqlite3'}")
}
DATABASES["default"].update(
    # The fixed threads of the server keep their connection; per-request threads must never do this.
    CONN_MAX_AGE=None,
    CONN_HEALTH_CHECKS=False,
    AUTOCOMMIT=True,
)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # select_for_update locks nothing on SQLite, so a transaction takes the write lock at its start.
        "transaction_mode": "IMMEDIATE",
        # Seconds a writer waits for another process; 0 would answer 503 under the lightest load, 15 or more
        # would let senders give up first.
        "timeout": env.int("IM_SQLITE_TIMEOUT", default=10),
        # FULL: a commit is on the disk before it is acknowledged. mmap and cache are per connection.
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-16000;"
            "PRAGMA mmap_size=268435456; PRAGMA temp_store=MEMORY; PRAGMA foreign_keys=ON;"
        ),
    }
# Milliseconds a statement may run, and may wait for another's lock; 0: for ever. Long ones let a slow
# database hold every thread, short ones refuse what would have come to an end.
IM_DB_STATEMENT_TIMEOUT = env.int("IM_DB_STATEMENT_TIMEOUT", default=5000)
IM_DB_LOCK_TIMEOUT = env.int("IM_DB_LOCK_TIMEOUT", default=3000)
# Milliseconds for which a transaction may be left open in idleness: it holds locks and every cursor.
IM_DB_IDLE_TIMEOUT = env.int("IM_DB_IDLE_TIMEOUT", default=10000)
# Seconds after which a server that does not even connect counts as away (2 is the least).
IM_DB_CONNECT_TIMEOUT = env.int("IM_DB_CONNECT_TIMEOUT", default=3)
# Uses after which a statement stays prepared on a connection; 0: never, for poolers that cannot.
IM_DB_PREPARE = env.int("IM_DB_PREPARE", default=3)
# Seconds after which a server that says nothing at all is given up: it would have timed out itself.
IM_DB_PATIENCE = (IM_DB_STATEMENT_TIMEOUT or 86_400_000) / 1000 + 1
if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "imsite.core.postgresql"
    # Here it is a look at the socket, not a question to the server.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    _limits = {
        "statement_timeout": IM_DB_STATEMENT_TIMEOUT,
        "lock_timeout": IM_DB_LOCK_TIMEOUT,
        "idle_in_transaction_session_timeout": IM_DB_IDLE_TIMEOUT,
    }
    DATABASES["default"]["OPTIONS"] = {
        # Parameters travel apart from the statement, so that it can stay prepared.
        "server_side_binding": True,
        "prepare_threshold": IM_DB_PREPARE or None,
        "connect_timeout": IM_DB_CONNECT_TIMEOUT,
        # Some poolers refuse settings at the start: with all three at 0 there are none.
        "options": " ".join(f"-c {name}={ms}" for name, ms in _limits.items() if ms),
        "application_name": "imsite",
        **DATABASES["default"].get("OPTIONS", {}),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis or Valkey: pings, limits, Celery. Never the truth. The supervisor starts one if this is unset.
VALKEY_SOCKET = valkey_socket(DATA_DIR)
IM_REDIS_URL = env.str("IM_REDIS_URL", default=f"unix://{VALKEY_SOCKET}")
# What names of the bus begin with.
IM_BUS_PREFIX = "im"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [IM_REDIS_URL], "prefix": IM_BUS_PREFIX},
    }
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.staff.Sessions"]
PASSWORD_HASHERS = [
    "accounts.hashers.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 8},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Seconds an access token lives; long ones outlive a stolen phone only until its device is revoked.
IM_ACCESS_TTL = env.int("IM_ACCESS_TTL", default=900)
# Days a device may stay away before it must log in again.
IM_REFRESH_DAYS = env.int("IM_REFRESH_DAYS", default=90)

# Rate limits in the notation of the limits library; IM_LIMITS=off only for benchmarks.
IM_LIMITS = env.bool("IM_LIMITS", default=True)
IM_LIMIT_DEFAULTS = {
    "login": "60/minute",
    "register": "120/minute",
    "refresh": "120/minute",
    "send": "1200/minute",
    "sync": "1200/minute",
    "socket": "120/minute",
    "search": "120/minute",
    "act": "1200/minute",
}
IM_LIMIT = {
    scope: env.str(f"IM_LIMIT_{scope.upper()}", default=rate)
    for scope, rate in IM_LIMIT_DEFAULTS.items()
}

# Days after which an unread message stops being offline backlog and is history.
IM_OFFLINE_DAYS = env.int("IM_OFFLINE_DAYS", default=7)
# Days after which messages are deleted for good, wherever they are; 0 keeps them. A group may keep its
# own for a shorter time (retention_days), never for a longer one.
IM_HISTORY_DAYS = env.int("IM_HISTORY_DAYS", default=0)
if IM_OFFLINE_DAYS < 1 or IM_HISTORY_DAYS < 0:
    raise ImproperlyConfigured("IM_OFFLINE_DAYS is at least 1, IM_HISTORY_DAYS at least 0")
# Days for which what moderators recalled is kept sealed and can be put back; 0: it is gone at once.
IM_UNDO_DAYS = env.int("IM_UNDO_DAYS", default=7)
# Minutes for which a claimed case is its moderator's; short ones give it away while he reads.
IM_CLAIM_MINUTES = env.int("IM_CLAIM_MINUTES", default=15)
# Drafts that may wait for the group commit before senders are told to come back (503).
IM_WRITER_QUEUE = env.int("IM_WRITER_QUEUE", default=2000)
# Drafts merged into one commit: larger ones lengthen every sender's wait.
IM_WRITER_GROUP = env.int("IM_WRITER_GROUP", default=256)
# What next_poll_ms tells a client that saw nothing new.
IM_POLL_MS = env.int("IM_POLL_MS", default=5000)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.auth.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "EXCEPTION_HANDLER": "imsite.core.envelope.on_exception",
    "DEFAULT_SCHEMA_CLASS": "imsite.schema.DoorSchema",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "imsite",
    "DESCRIPTION": "A pull-model messaging server: one log per conversation, tiny pings.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The only one by default gives enums names of its own making.
    "POSTPROCESSING_HOOKS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "imsite.desk.formats"
USE_TZ = True
STATIC_URL = "/static/"
# Serves the admin's and the docs' files from the packages that bring them, without a collect step.
WHITENOISE_USE_FINDERS = True

DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
# Bytes of a JSON body (API §1).
IM_MAX_BODY = 262_144

# /metrics answers this machine alone, unless a scraper brings this as its bearer token …
IM_METRICS_TOKEN = env.str("IM_METRICS_TOKEN", default="")
# … or it is for everybody: it tells strangers how much you are used.
IM_METRICS_PUBLIC = env.bool("IM_METRICS_PUBLIC", default=False)
METRICS_DIR = DATA_DIR / "metrics"

# json for machines, text for people; a terminal is taken for a person.
IM_LOG_FORMAT = env.str("IM_LOG_FORMAT", default="text" if sys.stderr.isatty() else "json")
# DEBUG is for our own lines only: those of libraries quote frames, statements and headers.
IM_LOG_LEVEL = env.str("IM_LOG_LEVEL", default="INFO").upper()
# A line for each request; without it for those that fail here (5xx) or take longer than a second.
IM_ACCESS_LOG = env.bool("IM_ACCESS_LOG", default=False)
LOGGING = logs.configuration(level=IM_LOG_LEVEL, form=IM_LOG_FORMAT)

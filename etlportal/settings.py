"""The only settings file, driven by the environment; a wrong value fails loudly, naming the variable."""

from __future__ import annotations

import secrets as random_secrets
import sys
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from etlportal import caches, databases, oidc, operators
from etlportal.environment import read_file_variants
from etlportal.logs import without_visitors_tracebacks
from etlportal.secret import Secret

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")
read_file_variants()

EMBEDDED = databases.embedded(env)
"""Whether the watched warehouse is the embedded demonstration."""

DATA_DIR = Path(env.str("PORTAL_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
# Sessions and password hashes are kept here: nobody else on this machine may look.
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def _secret_key() -> str:
    """Return SECRET_KEY; embedded, one is made once and kept beside the data."""
    # As it stands: env.str takes a value that begins with `$` for the name of another variable.
    key: str = env.ENVIRON.get("SECRET_KEY", "")
    if key:
        return key
    if not EMBEDDED:
        raise ImproperlyConfigured("SECRET_KEY (or SECRET_KEY_FILE) must be set: 50 random characters or more.")
    path = DATA_DIR / "secret-key"
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(random_secrets.token_urlsafe(64))
    except FileExistsError:
        pass
    return path.read_text().strip() or random_secrets.token_urlsafe(64)


SECRET_KEY = _secret_key()
# Earlier keys, while what was signed or encrypted with them lives on.
SECRET_KEY_FALLBACKS = list(filter(None, env.ENVIRON.get("SECRET_KEY_FALLBACKS", "").split(",")))
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if EMBEDDED else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# HTTPS: on by default for a real warehouse, off for the demonstration on this machine.
HTTPS = env.bool("PORTAL_HTTPS", default=not EMBEDDED)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
REQUEST_ID_TRUSTED = env.bool("PORTAL_BEHIND_PROXY", default=False)
"""Whether X-Request-ID is the proxy's, and taken over. Anybody else's is nobody's: a new one is made."""
if REQUEST_ID_TRUSTED:
    ALLAUTH_TRUSTED_PROXY_COUNT = 1  # whose X-Forwarded-For says where a request comes from
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
# With the prefix a browser takes the cookie from this very host over HTTPS only, and from no subdomain.
_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_PREFIX}etlportal_session"
CSRF_COOKIE_NAME = f"{_PREFIX}etlportal_csrf"
# However often it is used: after this a session ends, and its owner signs in again.
SESSION_COOKIE_AGE = env.int("PORTAL_SESSION_HOURS", default=7 * 24) * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "monitoring.views.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Forms here are short, and none takes a file.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 0

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "worker-src": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

INSTALLED_APPS = [
    "etlportal.apps.PortalAdminConfig",  # django.contrib.admin with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_tables2",
    "django_filters",
    "django_htmx",
    "csp",
    "etlportal.apps.EtlPortalConfig",
    "monitoring",
    *(["demo"] if EMBEDDED else []),
]

MIDDLEWARE = [
    "etlportal.middleware.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "monitoring.middleware.ReaderMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "monitoring.accounts.second_factor.SecondFactorMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "etlportal.urls"
WSGI_APPLICATION = "etlportal.wsgi.application"

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
                "monitoring.views.context.shell",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "monitoring.templatetags.portal"],
        },
    },
]

DATABASES = databases.build(env, DATA_DIR)
if "postgresql" not in DATABASES["default"]["ENGINE"]:
    # django-tables2 looks for a type of column there, and does without it where there is no psycopg: 5 MB of each
    # process that never speaks to a PostgreSQL.
    sys.modules.setdefault("django.contrib.postgres.fields", None)  # type: ignore[arg-type]
DATABASE_ROUTERS = ["etlportal.routers.WarehouseRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = caches.build(env)

# Accounts: nobody signs up unless an administrator opens it (docs/signing-in.md).
AUTHENTICATION_BACKENDS = [
    "monitoring.accounts.UserBackend",
    "monitoring.accounts.EmailBackend",
]
ACCOUNT_ADAPTER = "monitoring.accounts.adapter.PortalAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody gets mail because somebody typed the address
ACCOUNT_FORMS = {"reset_password": "monitoring.accounts.forms.ResetPasswordForm"}  # nosec B105 - a form
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None
# Sign-in and second factor have limits of their own (monitoring/accounts/limits.py). allauth's for the second
# factor counts per user whatever the address, so that it must be the wider one.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,200/5m/key", "signup": "5/m/ip,30/h/ip"}

# The first administrator, made by `migrate` where there is none (monitoring/accounts/first_admin.py). As they
# stand: env.str takes a value that begins with `$` for the name of another variable.
FIRST_ADMIN = None
if env.ENVIRON.get("PORTAL_ADMIN_USER"):
    if not env.ENVIRON.get("PORTAL_ADMIN_PASSWORD"):
        raise ImproperlyConfigured("PORTAL_ADMIN_USER is set without PORTAL_ADMIN_PASSWORD.")
    FIRST_ADMIN = (
        env.ENVIRON["PORTAL_ADMIN_USER"],
        Secret(env.ENVIRON["PORTAL_ADMIN_PASSWORD"]),
        env.ENVIRON.get("PORTAL_ADMIN_EMAIL", ""),
    )

# Second factors: each optional, asked for per group (monitoring/accounts/second_factor.py).
MFA_ADAPTER = "monitoring.accounts.adapter.PortalMFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "ETL Portal"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are not verified here: nobody could set up a factor
MFA_FORMS = {
    "authenticate": "monitoring.accounts.forms.AuthenticateForm",
    "reauthenticate": "monitoring.accounts.forms.ReauthenticateForm",
    "login_webauthn": "monitoring.accounts.forms.LoginWebAuthnForm",
    "edit_webauthn": "monitoring.accounts.forms.EditWebAuthnForm",
}

# Single sign-on by OpenID Connect, where the environment names a provider.
OIDC = oidc.build(env)
SOCIALACCOUNT_ADAPTER = "monitoring.accounts.single_sign_on.PortalSocialAdapter"
SOCIALACCOUNT_PROVIDERS = oidc.providers(OIDC)
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True  # where PORTAL_OIDC_LINK_BY_EMAIL allows it at all

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "monitoring:summary"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

# Mail, once EMAIL_URL says how ("smtp+tls://user:password@host:587"). Without it nothing is sent or promised.
MAIL = bool(env.str("EMAIL_URL", default=""))
globals().update(env.email_url("EMAIL_URL", default="dummymail://"))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="etlportal@localhost")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("pt-br", _("Portuguese (Brazil)"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
USE_THOUSAND_SEPARATOR = True
TIME_ZONE = env.str("PORTAL_TIME_ZONE", default="America/Sao_Paulo" if EMBEDDED else "UTC")

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(env.str("PORTAL_STATIC_ROOT", default=str(DATA_DIR / "static")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "etlportal.storage.StaticStorage"},
}
WHITENOISE_USE_FINDERS = True  # a clone without collectstatic serves its files under their plain names
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

DJANGO_TABLES2_TEMPLATE = "components/table.html"
DJANGO_TABLES2_TABLE_ATTRS = {"class": "table"}

# The collector.
COLLECT_BUSY_SECONDS = env.int("COLLECT_BUSY_SECONDS", default=10)
COLLECT_IDLE_SECONDS = env.int("COLLECT_IDLE_SECONDS", default=30)
# How long what is kept (docs/history.md): samples, hourly roll-ups, daily ones, copies of runs.
SAMPLE_RETENTION_DAYS = env.int("SAMPLE_RETENTION_DAYS", default=2)
ROLLUP_RETENTION_DAYS = env.int("ROLLUP_RETENTION_DAYS", default=100)
DAY_RETENTION_DAYS = env.int("DAY_RETENTION_DAYS", default=1830)
COPY_RETENTION_DAYS = env.int("COPY_RETENTION_DAYS", default=35)
# Who was seen on which day: 30 days before the longest range, and some more.
CONNECTION_HISTORY_DAYS = env.int("CONNECTION_HISTORY_DAYS", default=60)
# On for a real warehouse, for a SIEM; in the demonstration the lines would only hide what it says.
TRAIL_STDOUT = env.bool("TRAIL_STDOUT", default=not EMBEDDED)
TRAIL_RETENTION_DAYS = env.int("TRAIL_RETENTION_DAYS", default=400)
PENDING_CAP = env.int("PENDING_CAP", default=100_000)
# Whether a page that finds old figures and no collector takes one sample itself.
SAMPLE_ON_DEMAND = env.bool("SAMPLE_ON_DEMAND", default=True)
# How the program names of the ETL runner's sessions begin (CONTRACT 6), case ignored.
RUNNER_PROGRAMS = env.list("RUNNER_PROGRAMS", default=["etl-runner", "etl_runner", "run_etl"])
# The sources' database by its own name, as sessions carry it.
OLTP_NAME = env.str("ETL_OLTP_DB", default="") or "ECOMMERCE_OLTP"
REQUIRED_PIPELINES = env.list("REQUIRED_PIPELINES", default=["dim_cliente"])

# For operators (docs/monitoring/README.md).
METRICS_TOKEN = operators.token(env)
COLLECTOR_METRICS_PORT = operators.port(env, METRICS_TOKEN)
COLLECTOR_METRICS_ADDRESS = env.str("COLLECTOR_METRICS_ADDRESS", default="127.0.0.1")
SLOW_STATEMENT_SECONDS = operators.seconds(env)
SQL_COMMENT_IDS = operators.comment_ids(env)
LOG_FORMAT = operators.log_format(env)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "etlportal.logs.LineFormatter",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
        "json": {"()": "etlportal.logs.JsonFormatter"},
        "bare": {"format": "{message}", "style": "{"},
    },
    "filters": {
        "visitors": {"()": "django.utils.log.CallbackFilter", "callback": without_visitors_tracebacks},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["visitors"]},
        # What people did, as JSON lines for a SIEM (actions/trail.py).
        "trail": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "bare"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "etlportal.trail": {"handlers": ["trail"] if TRAIL_STDOUT else [], "level": "INFO", "propagate": False},
    },
}

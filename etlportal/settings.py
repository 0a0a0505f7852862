"""Settings from the environment and `.env` (variables: `.env.example`). A wrong value raises ImproperlyConfigured."""

from __future__ import annotations

import secrets as random_secrets
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from etlportal import databases, environment
from etlportal.environment import Environment, Secret
from etlportal.logs import FORMATS, without_visitors_tracebacks

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
env.read_env(BASE_DIR / ".env")
env.read_files()

EMBEDDED = databases.embedded(env)

DATA_DIR = Path(env.str("PORTAL_DATA_DIR", default=str(BASE_DIR / "var"))).resolve()
# For the owner only: it holds sessions and password hashes.
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)


def _secret_key() -> str:
    """Return SECRET_KEY. The demo generates one and stores it with its data."""
    if key := env.text("SECRET_KEY"):
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
# Earlier keys, for sessions and second factors that were signed or encrypted with them.
SECRET_KEY_FALLBACKS = list(filter(None, env.text("SECRET_KEY_FALLBACKS").split(",")))
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if EMBEDDED else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# HTTPS is on for a real warehouse, and off for the demonstration.
HTTPS = env.bool("PORTAL_HTTPS", default=not EMBEDDED)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
REQUEST_ID_TRUSTED = env.bool("PORTAL_BEHIND_PROXY", default=False)
"""Whether the proxy's X-Request-ID is used. Without a trusted proxy every request gets a new id."""
if REQUEST_ID_TRUSTED:
    ALLAUTH_TRUSTED_PROXY_COUNT = 1  # the proxy whose X-Forwarded-For contains the client's address
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
# With this prefix a browser accepts the cookie from this host only, over HTTPS only, and from no subdomain.
_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_PREFIX}etlportal_session"
CSRF_COOKIE_NAME = f"{_PREFIX}etlportal_csrf"
# The absolute lifetime of a session, however often it is used.
SESSION_COOKIE_AGE = env.int("PORTAL_SESSION_HOURS", default=7 * 24) * 3600
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "monitoring.web.errors.csrf_failure"
X_FRAME_OPTIONS = "DENY"
# Forms are short, and none uploads a file.
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
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_tables2",
    "django_htmx",
    "csp",
    "etlportal.apps.EtlPortalConfig",
    "monitoring",
    *(["demo"] if EMBEDDED else []),
]

MIDDLEWARE = [
    "etlportal.serving.RequestMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "monitoring.web.middleware.ReaderMiddleware",
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
                "monitoring.web.context.shell",
            ],
            "builtins": ["django.templatetags.i18n", "django.templatetags.static", "monitoring.templatetags.portal"],
        },
    },
]

DATABASES = databases.build(env, DATA_DIR)
DATABASE_ROUTERS = ["etlportal.guard.WarehouseRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = environment.build_caches(env)

# Accounts (docs/signing-in.md).
AUTHENTICATION_BACKENDS = [
    "monitoring.accounts.UserBackend",
    "monitoring.accounts.EmailBackend",
]
ACCOUNT_ADAPTER = "monitoring.accounts.adapter.PortalAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to an address that has no account
ACCOUNT_FORMS = {"reset_password": "monitoring.accounts.adapter.ResetPasswordForm"}  # nosec B105 - a form
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = None
# Passwords and second factors have limits of their own (monitoring/accounts/limits.py). allauth's limit for second
# factors counts per user from all addresses together, so it must be the wider one.
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,200/5m/key", "signup": "5/m/ip,30/h/ip"}

# The first administrator, created by `migrate` if there is none (monitoring/accounts/first_admin.py).
FIRST_ADMIN = None
if env.text("PORTAL_ADMIN_USER"):
    if not env.text("PORTAL_ADMIN_PASSWORD"):
        raise ImproperlyConfigured("PORTAL_ADMIN_USER is set without PORTAL_ADMIN_PASSWORD.")
    FIRST_ADMIN = (
        env.text("PORTAL_ADMIN_USER"),
        Secret(env.text("PORTAL_ADMIN_PASSWORD")),
        env.text("PORTAL_ADMIN_EMAIL"),
    )

# Second factors: optional, unless a group requires one (monitoring/accounts/second_factor.py).
MFA_ADAPTER = "monitoring.accounts.adapter.PortalMFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "ETL Portal"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are not verified here
MFA_FORMS = {
    "authenticate": "monitoring.accounts.second_factor.AuthenticateForm",
    "reauthenticate": "monitoring.accounts.second_factor.ReauthenticateForm",
    "login_webauthn": "monitoring.accounts.second_factor.LoginWebAuthnForm",
    "edit_webauthn": "monitoring.accounts.second_factor.EditWebAuthnForm",
}

# Single sign-on with OpenID Connect.
OIDC = environment.build_oidc(env)
SOCIALACCOUNT_ADAPTER = "monitoring.accounts.single_sign_on.PortalSocialAdapter"
SOCIALACCOUNT_PROVIDERS = environment.providers(OIDC)
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True  # if PORTAL_OIDC_LINK_BY_EMAIL allows it

LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "monitoring:summary"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"

# Mail ("smtp+tls://user:password@host:587"). Without EMAIL_URL the portal sends none and offers no reset by mail.
MAIL = bool(env.text("EMAIL_URL"))
_mail = env.email_url("EMAIL_URL", default="dummymail://")
EMAIL_BACKEND, EMAIL_FILE_PATH = _mail["EMAIL_BACKEND"], _mail["EMAIL_FILE_PATH"]
EMAIL_HOST, EMAIL_PORT = _mail["EMAIL_HOST"], _mail["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail["EMAIL_HOST_USER"], _mail["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.get("EMAIL_USE_TLS", False), _mail.get("EMAIL_USE_SSL", False)
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.str("EMAIL_FROM", default="etlportal@localhost")

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}Validator"}
    for name in ("UserAttributeSimilarity", "MinimumLength", "CommonPassword", "NumericPassword")
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
    "staticfiles": {"BACKEND": "etlportal.serving.StaticStorage"},
}
WHITENOISE_USE_FINDERS = True  # a clone without collectstatic serves its files under their plain names
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

DJANGO_TABLES2_TEMPLATE = "components/table.html"
DJANGO_TABLES2_TABLE_ATTRS = {"class": "table"}

# The collector.
COLLECT_BUSY_SECONDS = env.int("COLLECT_BUSY_SECONDS", default=10)
COLLECT_IDLE_SECONDS = env.int("COLLECT_IDLE_SECONDS", default=30)
# Retention (docs/history.md) of samples, hourly roll-ups, daily roll-ups and copies of runs.
SAMPLE_RETENTION_DAYS = env.int("SAMPLE_RETENTION_DAYS", default=2)
ROLLUP_RETENTION_DAYS = env.int("ROLLUP_RETENTION_DAYS", default=100)
DAY_RETENTION_DAYS = env.int("DAY_RETENTION_DAYS", default=1830)
COPY_RETENTION_DAYS = env.int("COPY_RETENTION_DAYS", default=35)
# Retention of the logins seen per day: the longest range, the 30 days before it, and a reserve.
CONNECTION_HISTORY_DAYS = env.int("CONNECTION_HISTORY_DAYS", default=60)
# On for a real warehouse, for a SIEM. In the demonstration the lines would hide its own output.
TRAIL_STDOUT = env.bool("TRAIL_STDOUT", default=not EMBEDDED)
TRAIL_RETENTION_DAYS = env.int("TRAIL_RETENTION_DAYS", default=400)
PENDING_CAP = env.int("PENDING_CAP", default=100_000)
# Whether a page takes a sample itself when the figures are old and no collector runs.
SAMPLE_ON_DEMAND = env.bool("SAMPLE_ON_DEMAND", default=True)
# Prefixes of the program names of the ETL runner's sessions (CONTRACT 6). Case does not matter.
RUNNER_PROGRAMS = env.list("RUNNER_PROGRAMS", default=["etl-runner", "etl_runner", "run_etl"])
# The name of the source database, as sessions show it.
OLTP_NAME = env.text("ETL_OLTP_DB", "ECOMMERCE_OLTP")
REQUIRED_PIPELINES = env.list("REQUIRED_PIPELINES", default=["dim_cliente"])

# Metrics, logs and slow statements (docs/monitoring/README.md).
METRICS_TOKEN = Secret(env.text("METRICS_TOKEN"))
if METRICS_TOKEN and (len(METRICS_TOKEN) < 16 or not METRICS_TOKEN.isascii() or any(map(str.isspace, METRICS_TOKEN))):
    raise ImproperlyConfigured("METRICS_TOKEN must have 16 characters or more, ASCII without blanks, for a header.")
COLLECTOR_METRICS_PORT = int(env.number("COLLECTOR_METRICS_PORT", 0, low=0, high=65535))
if COLLECTOR_METRICS_PORT and not METRICS_TOKEN:
    raise ImproperlyConfigured("COLLECTOR_METRICS_PORT is set without METRICS_TOKEN.")
COLLECTOR_METRICS_ADDRESS = env.str("COLLECTOR_METRICS_ADDRESS", default="127.0.0.1")
SLOW_STATEMENT_SECONDS = env.number("SLOW_STATEMENT_SECONDS", 1, low=0)  # 0: none is slow
SQL_COMMENT_IDS = env.one_of("SQL_COMMENT_IDS", "auto", ("auto", "all", "none"))
LOG_FORMAT = env.one_of("LOG_FORMAT", "line", FORMATS)

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
        # The activity log as JSON lines, for a SIEM (monitoring/web/activity.py).
        "trail": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "bare"},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "etlportal.trail": {"handlers": ["trail"] if TRAIL_STDOUT else [], "level": "INFO", "propagate": False},
    },
}

"""The application: connects the signal receivers."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from etlportal import breaker


class MonitoringConfig(AppConfig):
    name = "monitoring"
    verbose_name = _("ETL monitoring")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from allauth.account.signals import password_reset

        from monitoring import access
        from monitoring.accounts import limits
        from monitoring.accounts.first_admin import make_first_admin
        from monitoring.collector.snapshot import news
        from monitoring.web import activity

        breaker.listen(news)
        activity.connect()
        password_reset.connect(limits.clear_after_reset, dispatch_uid="monitoring.limits")
        access.connect()
        post_migrate.connect(make_first_admin, sender=self, dispatch_uid="monitoring.first_admin")

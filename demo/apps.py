"""The demonstration: an embedded warehouse, a shop that fills it, and an ETL that loads it."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "demo"

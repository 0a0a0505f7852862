"""Fingerprints of the failures that were copied before the present rules: a part at a time, newest first.

What is copied from now on has its fingerprint from the start (copies.py).
"""

from __future__ import annotations

from django.db import transaction

from monitoring.actions.copies import BATCH, failure_columns
from monitoring.enums import ExecutionStatus
from monitoring.models import CollectorState, RunEntityCopy
from monitoring.policies.fingerprint import FINGERPRINT_VERSION


@transaction.atomic
def fingerprint_copies(*, limit: int) -> bool:
    """Work through at most `limit` failed copies by the present rules; return whether all of them now are."""
    state = CollectorState.objects.filter(pk=CollectorState.SINGLETON).first()
    if state is None or state.fingerprint_version == FINGERPRINT_VERSION:
        return state is not None
    failed = RunEntityCopy.objects.filter(status=ExecutionStatus.FAILED.value)
    if state.fingerprinted_from is not None:
        failed = failed.filter(run_entity_id__lt=state.fingerprinted_from)
    copies = list(failed.only("run_entity_id", "error_message").order_by("-run_entity_id")[:limit])
    for copy in copies:
        copy.error_class, copy.fingerprint = failure_columns(ExecutionStatus.FAILED, copy.error_message)
    RunEntityCopy.objects.bulk_update(copies, ["error_class", "fingerprint"], batch_size=BATCH)
    done = len(copies) < limit
    CollectorState.objects.filter(pk=CollectorState.SINGLETON).update(
        fingerprint_version=FINGERPRINT_VERSION if done else state.fingerprint_version,
        fingerprinted_from=None if done else copies[-1].run_entity_id,
    )
    return done

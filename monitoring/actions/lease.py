"""Who collects: one process at a time, by a lease in `default` that must be renewed.

Claimed by a conditional UPDATE whose row count tells who won: two collectors at once do no harm.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q

from monitoring.models import CollectorState

LEASE = timedelta(seconds=45)
"""How long a holder that vanished without a word keeps the others waiting."""


def claim_lease(*, holder: str, now: datetime) -> bool:
    """Take or renew the lease for `holder`; return whether it is theirs until now + LEASE.

    A lease that ends later than any lease could was written under another clock (one that went
    back since): it counts as free.
    """
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now) | Q(lease_until__gt=now + 2 * LEASE)
    row = CollectorState.objects.filter(pk=CollectorState.SINGLETON)
    if row.filter(Q(lease_holder=holder) | free).update(lease_holder=holder, lease_until=now + LEASE) == 1:
        return True
    _, created = CollectorState.objects.get_or_create(pk=CollectorState.SINGLETON)
    return created and claim_lease(holder=holder, now=now)


def release_lease(*, holder: str) -> bool:
    """Give the lease back so that another takes over at once; return whether it was held."""
    released = CollectorState.objects.filter(pk=CollectorState.SINGLETON, lease_holder=holder).update(
        lease_holder="", lease_until=None
    )
    return released == 1

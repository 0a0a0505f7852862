"""Integrity checks of one pipeline. A check whose rows could not be read is unknown, never passed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Problem
from monitoring.rules.masking import without_accents

EVIDENCE = 5

FOUND_CAP = 1000
"""Counting stops here, and the page shows "1,000+"."""


class CheckCode(StrEnum):
    SOURCE_KEY_NULL = "source_key_null"
    SOURCE_KEY_DUPLICATE = "source_key_duplicate"
    SOURCE_UPDATED_NULL = "source_updated_null"
    SOURCE_STATUS = "source_status"
    TARGET_KEY_NULL = "target_key_null"
    TARGET_KEY_DUPLICATE = "target_key_duplicate"
    TARGET_UPDATED_NULL = "target_updated_null"
    TARGET_STATUS = "target_status"
    SOFT_DELETE = "soft_delete"
    FACT_REQUIRED_NULL = "fact_required_null"
    FACT_NEGATIVE = "fact_negative"


class Basis(StrEnum):
    LOOKED = "looked"  # rows were read
    GUARANTEED = "guaranteed"  # a constraint of the table makes a violation impossible: no row was read
    NOT_APPLICABLE = "not_applicable"  # `reason` says why
    FAILED_TO_LOOK = "failed_to_look"  # `problem` says why


class Reason(StrEnum):
    NO_NATURAL_KEY = "no_natural_key"  # which column of the target holds the source's key is not known
    COMPOSITE_KEY = "composite_key"  # the target's key is not the source's key
    NO_UPDATE_COLUMN = "no_update_column"
    NO_STATUS_COLUMN = "no_status_column"
    NO_DELETED_AT = "no_deleted_at"
    NO_ACTIVE_FLAG = "no_active_flag"
    NOT_A_FACT = "not_a_fact"
    NO_REQUIRED_KEYS = "no_required_keys"
    NO_MEASURES = "no_measures"
    NO_TABLE = "no_table"
    NAME_INVALID = "name_invalid"
    OUT_OF_TIME = "out_of_time"  # the whole run's time was used up before this check


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """The result of one check. `found`: rows that violate it, at least that many if `capped`.

    `columns`: those that were checked. `evidence`: up to EVIDENCE keys, or words with their number. `looked_at`: the
    number of rows at which reading stopped, None if the whole table was read.
    """

    code: CheckCode
    state: CheckState
    basis: Basis
    columns: tuple[str, ...] = ()
    found: int | None = None
    capped: bool = False
    looked_at: int | None = None
    evidence: tuple[str, ...] = ()
    milliseconds: float = 0.0
    reason: Reason | None = None
    problem: Problem | None = None

    @property
    def applies(self) -> bool:
        return self.basis is not Basis.NOT_APPLICABLE


def found(
    code: CheckCode,
    violations: Sequence[str],
    columns: Iterable[str],
    *,
    looked_at: int | None = None,
    soft: bool = False,
) -> CheckResult:
    """`violations` holds up to FOUND_CAP + 1 keys. `soft`: they are a warning, not a failure."""
    bad = CheckState.WARNING if soft else CheckState.FAILED
    return CheckResult(
        code=code,
        state=bad if violations else CheckState.PASSED,
        basis=Basis.LOOKED,
        columns=tuple(columns),
        found=min(len(violations), FOUND_CAP),
        capped=len(violations) > FOUND_CAP,
        looked_at=looked_at,
        evidence=tuple(violations[:EVIDENCE]),
    )


def guaranteed(code: CheckCode, columns: Iterable[str]) -> CheckResult:
    return CheckResult(code=code, state=CheckState.PASSED, basis=Basis.GUARANTEED, columns=tuple(columns), found=0)


def without_answer(code: CheckCode, why: Reason | Problem) -> CheckResult:
    """Return the unknown result of a check that does not apply, failed, or had no time left."""
    if isinstance(why, Problem):
        return CheckResult(code=code, state=CheckState.UNKNOWN, basis=Basis.FAILED_TO_LOOK, problem=why)
    # A check without time left does apply.
    basis = Basis.FAILED_TO_LOOK if why is Reason.OUT_OF_TIME else Basis.NOT_APPLICABLE
    return CheckResult(code=code, state=CheckState.UNKNOWN, basis=basis, reason=why)


STATUS_WORDS = frozenset(
    (
        "ativo", "ativa", "active", "inativo", "inativa", "inactive", "pendente", "pending", "bloqueado", "bloqueada",
        "blocked", "suspenso", "suspensa", "suspended", "cancelado", "cancelada", "cancelled", "canceled",
        "encerrado", "encerrada", "closed", "finalizado", "finalizada", "concluido", "concluida", "completed",
        "descontinuado", "descontinuada", "discontinued", "arquivado", "archived", "rascunho", "draft",
        "afastado", "afastada", "ferias", "desligado", "desligada", "demitido", "demitida", "em ferias",
        "planejado", "planejada", "agendado", "agendada", "scheduled", "expirado", "expirada", "expired",
        "vigente", "em andamento", "aberto", "aberta", "open", "criado", "criada", "created", "pago", "paga", "paid",
        "enviado", "enviada", "shipped", "entregue", "delivered", "devolvido", "devolvida", "returned",
        "processando", "processing", "confirmado", "confirmada", "confirmed", "aprovado", "aprovada", "approved",
        "rejeitado", "rejeitada", "rejected", "excluido", "excluida", "deleted",
    )
)  # fmt: skip
"""Usual words of a status column, for one without a constraint and without configured words. Compared folded."""


def judge_words(
    code: CheckCode,
    column: str,
    counts: Iterable[tuple[str | None, int]],
    *,
    allowed: Iterable[str] = (),
    looked_at: int | None = None,
) -> CheckResult:
    """Return the result of checking the words of a status column. `counts`: each word (None: NULL) with its rows.

    A word outside `allowed` fails the check. Without `allowed`, a word outside STATUS_WORDS is a warning. NULL, blank
    and padded words fail it in either case.
    """
    named = frozenset(folded(word) for word in allowed)
    bad = [
        (word, rows)
        for word, rows in counts
        if word is None or malformed(word) or folded(word) not in (named or STATUS_WORDS)
    ]
    bad.sort(key=lambda pair: -pair[1])
    state = CheckState.PASSED
    if bad:
        state = CheckState.FAILED if named or any(malformed(word) for word, _ in bad) else CheckState.WARNING
    return CheckResult(
        code=code,
        state=state,
        basis=Basis.LOOKED,
        columns=(column,),
        found=sum(rows for _, rows in bad),
        looked_at=looked_at,
        evidence=tuple(f"{_shown(word)} × {rows}" for word, rows in bad[:EVIDENCE]),
    )


def malformed(word: str | None) -> bool:
    return not word or word != word.strip()


def folded(word: str) -> str:
    """Return a word without case and accents, and with blanks for `_` and `-`."""
    return " ".join(without_accents(word.casefold()).replace("_", " ").replace("-", " ").split())


def _shown(word: str | None) -> str:
    return "NULL" if word is None else f"“{word[:40]}”"

"""Integrity checks on demand: what each one asks, and what its finding means.

A check never says "passed" for what it could not look at: then it is unknown, or says why it does
not apply to this pipeline.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from monitoring.rules.enums import CheckState
from monitoring.rules.facts import Problem

EVIDENCE = 5
"""Keys shown of what was found."""

FOUND_CAP = 1000
"""Rows counted at most; beyond it the count shows as "1,000+"."""


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
    """What a result stands on."""

    LOOKED = "looked"  # rows were read
    GUARANTEED = "guaranteed"  # the table's own constraint makes a violation impossible: nothing was read
    NOT_APPLICABLE = "not_applicable"  # `reason` says why
    FAILED_TO_LOOK = "failed_to_look"  # `problem` says why


class Reason(StrEnum):
    """Why a check does not apply."""

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
    """One check's answer. `found` rows violate it (at least that many where `capped`).

    `looked_at`: the most rows that were looked at, None where the whole table was; `columns` the ones
    concerned; `evidence` up to five keys (or words with their count) of what was found.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks of one pipeline, as they were run together. `by`: who asked."""

    entity_name: str
    finished_at: datetime
    by: str
    milliseconds: float
    results: tuple[CheckResult, ...]

    def count(self, state: CheckState) -> int:
        """How many results are in `state` (those that do not apply are in none)."""
        return sum(result.state is state and result.basis is not Basis.NOT_APPLICABLE for result in self.results)


def found(
    code: CheckCode,
    violations: Sequence[str],
    *,
    columns: Iterable[str],
    milliseconds: float,
    looked_at: int | None = None,
    soft: bool = False,
) -> CheckResult:
    """Return the result of having looked: passed without violations, else failed (`soft`: a warning).

    `violations` holds up to FOUND_CAP + 1 keys; one too many means that counting stopped.
    """
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
        milliseconds=milliseconds,
    )


def guaranteed(code: CheckCode, columns: Iterable[str]) -> CheckResult:
    """Return the result of a check that the table's own constraint already answers."""
    return CheckResult(code=code, state=CheckState.PASSED, basis=Basis.GUARANTEED, columns=tuple(columns), found=0)


def not_asked(code: CheckCode, why: Reason | Problem) -> CheckResult:
    """Return the result of a check that was not asked: it does not apply, or its table could not be read.

    Its state is UNKNOWN either way, never passed.
    """
    if isinstance(why, Problem):
        return could_not_look(code, why)
    # Out of time: it does apply, there was only no time left to look.
    basis = Basis.FAILED_TO_LOOK if why is Reason.OUT_OF_TIME else Basis.NOT_APPLICABLE
    return CheckResult(code=code, state=CheckState.UNKNOWN, basis=basis, reason=why)


def could_not_look(code: CheckCode, problem: Problem, milliseconds: float = 0.0) -> CheckResult:
    """Return the result of a check whose statement failed."""
    return CheckResult(
        code=code, state=CheckState.UNKNOWN, basis=Basis.FAILED_TO_LOOK, milliseconds=milliseconds, problem=problem
    )


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
"""Words of a status column where neither a constraint nor a setting names them. Compared folded."""


@dataclass(frozen=True, slots=True)
class WordCount:
    """How often a word stands in a status column. None: NULL."""

    word: str | None
    rows: int


def judge_words(
    code: CheckCode,
    column: str,
    counts: Sequence[WordCount],
    *,
    allowed: Iterable[str] = (),
    milliseconds: float,
    looked_at: int | None = None,
) -> CheckResult:
    """Return whether every word is in the domain.

    `allowed`: the words that people named; without any, the usual ones, and then a strange word is a
    warning only. NULL, blank and padded words are wrong in either case.
    """
    named = frozenset(folded(word) for word in allowed)
    wrong = [count for count in counts if malformed(count.word)]
    strange = [
        count
        for count in counts
        if not malformed(count.word) and folded(str(count.word)) not in (named or STATUS_WORDS)
    ]
    bad = sorted((*wrong, *strange), key=lambda count: -count.rows)
    state = CheckState.PASSED
    if bad:
        state = CheckState.FAILED if wrong or named else CheckState.WARNING
    total = sum(count.rows for count in bad)
    return CheckResult(
        code=code,
        state=state,
        basis=Basis.LOOKED,
        columns=(column,),
        found=total,
        looked_at=looked_at,
        evidence=tuple(f"{_shown(count.word)} × {count.rows}" for count in bad[:EVIDENCE]),
        milliseconds=milliseconds,
    )


def malformed(word: str | None) -> bool:
    """Whether a status is NULL, blank, or has blanks around it."""
    return word is None or not word.strip() or word != word.strip()


def folded(word: str) -> str:
    """Return a word without case, accents, and with `_` and `-` as blanks."""
    plain = unicodedata.normalize("NFKD", word.strip().casefold())
    letters = "".join(character for character in plain if not unicodedata.combining(character))
    return " ".join(letters.replace("_", " ").replace("-", " ").split())


def _shown(word: str | None) -> str:
    return "NULL" if word is None else f"“{word[:40]}”"

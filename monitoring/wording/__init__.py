"""The words for every code, in the reader's language. Policies conclude codes; nothing else words them.

    label(member)            a word for any member of monitoring.enums
    sentence_text(sentence)  the sentence that opens every page          -> Text
    verdict_label, verdict_clause, verdict_text, verdict_next            what an alert says
    problem_text(problem)    what happened, what to do, the driver's own words
    check_text(check)        label, detail, what to do of a pre-flight check
    failure_text(failure)    title, meaning, advice, names of a failed execution's message
    HELP[figure], RULE_HELP[rule], WATERMARK_HELP[state]                 definitions, for tooltips
    duration, number, count, percent, speed, moment                      values in words

A Text is a tuple of Parts; see text.py for how a template renders the moments and names in it.
"""

from monitoring.wording.checks import CheckWords, check_advice, check_label, check_text, connection_facts
from monitoring.wording.failures import FailureWords, class_text, error_class_label, failure_advice, failure_text
from monitoring.wording.help import HELP, RULE_HELP, WATERMARK_HELP
from monitoring.wording.labels import LABELS, inactive, label
from monitoring.wording.problems import ProblemWords, code_text, detail_text, problem_text
from monitoring.wording.sentences import sentence_text
from monitoring.wording.text import Part, Text, age, entity, text, time
from monitoring.wording.units import count, duration, moment, no_value, number, percent, speed, unknown
from monitoring.wording.verdicts import verdict_clause, verdict_label, verdict_next, verdict_text

__all__ = [
    "HELP",
    "LABELS",
    "RULE_HELP",
    "WATERMARK_HELP",
    "CheckWords",
    "FailureWords",
    "Part",
    "ProblemWords",
    "Text",
    "age",
    "check_advice",
    "check_label",
    "check_text",
    "class_text",
    "code_text",
    "connection_facts",
    "count",
    "detail_text",
    "duration",
    "entity",
    "error_class_label",
    "failure_advice",
    "failure_text",
    "inactive",
    "label",
    "moment",
    "no_value",
    "number",
    "percent",
    "problem_text",
    "sentence_text",
    "speed",
    "text",
    "time",
    "unknown",
    "verdict_clause",
    "verdict_label",
    "verdict_next",
    "verdict_text",
]

"""The document of a run of claims: its folder as one JSON-able statement, which all renderers show.

schema, kind "claims", run, name, cupel, started, status (complete | partial), asked, machine
headline        the verdict on the first claim's headline statement, in a sentence
verdicts        one per statement, the headline of a claim first: claim, key, statement, kind, says, sentence, metric,
                unit, better, scale, arms, bar, margin, rope, counts (when it counts as shown, in words), no_effect,
                bar_at and region (the same on the effect's scale), verdict, reason, would_change, effect, interval
                (low, high), level, method, n, p (None while undecided), num_more, num_failed, is_headline, scope,
                price (wall_s), warnings
claims          one per claim: claim, key, label, size, settings, seed, says, source, published, kept, smaller, varies,
                arms, statements (of each pairs, effects, looks; values; or outcome: see claim_evidence), tuned,
                failures, variance, spent_s, path, module (empty for a file of the user's own), digest
skipped         name, reason
price           wall_s of all trials, elapsed_s
warnings        code, text
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cupel.ledger.claim_log import NAME, CellRecords, read_claims
from cupel.ledger.records import read_records
from cupel.ledger.run_folder import RunFolder
from cupel.report.claim_arms import describe_arms, describe_variance
from cupel.report.claim_evidence import describe_evidence, describe_limits
from cupel.report.claim_words import sentence_of, would_change
from cupel.report.statement_words import what_counts
from cupel.spec.claim import Claim
from cupel.spec.errors import RunFolderError
from cupel.spec.job import Job
from cupel.spec.statement import WITH_ARMS, Statement
from cupel.stats.judge import LEVEL, Judgement
from cupel.stats.judge_claim import judge_claim

SCHEMA = 1
CONTRADICTED, NOT_TESTABLE = 3, 4


def is_claims(folder: RunFolder) -> bool:
    """Whether a run folder is one of claims."""
    return folder.asked.get("kind") == "claims"


def build_claims_document(folder: RunFolder) -> dict[str, Any]:
    """The document of a run of claims.

    Raises:
        RunFolderError: the folder lacks what such a run writes.
    """
    asked = folder.asked
    try:
        plan, machine = asked["plan"], asked["machine"]
        request = plan["request"]
        cells = [(cell["key"], cell["label"], Job.from_dict(cell["job"]), Claim.from_dict(cell["card"]))
                 for cell in plan["cells"]]  # fmt: skip
    except (KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder.path / 'run.json'} lacks {error}; expected a file written by cupel run."
        ) from error
    known = _read(folder, {key: job for key, _, job, _ in cells})
    claims, verdicts = [], []
    for key, label, job, card in cells:
        told = describe_claim(card, known[key], job=job, label=label, pairs=request.get("pairs"))
        claims.append(told["claim"])
        verdicts += told["verdicts"]
    finished = [record for record in read_records(folder.path / NAME) if record["kind"] == "finished"]
    is_over = bool(finished) and finished[-1].get("reason") != "interrupted"
    is_open = any(verdict["is_open"] for verdict in verdicts)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "claims",
        "name": asked.get("name", folder.path.name),
        "run": str(folder.path),
        "cupel": asked.get("cupel", ""),
        "started": asked.get("started", ""),
        "status": "complete" if is_over and not is_open else "partial",
        "asked": request,
        "machine": machine,
        "verdicts": verdicts,
        "claims": claims,
        "skipped": [{"name": name, "reason": reason} for name, reason in plan.get("skipped", {}).items()],
        "price": {
            "wall_s": math.fsum(claim["spent_s"] for claim in claims),
            "elapsed_s": math.fsum(record.get("elapsed_s") or 0.0 for record in finished),
        },
        "warnings": [{"code": "note", "text": text} for text in plan.get("notes", ())],
    }
    document["headline"] = headline_of(document)
    return document


def _read(folder: RunFolder, jobs: Mapping[str, Job]) -> dict[str, CellRecords]:
    """The records of each cell.

    Raises:
        RunFolderError: one is not as this version writes it.
    """
    try:
        return read_claims(folder.path, jobs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"{folder.path / NAME} has a record that cannot be read ({type(error).__name__}: {error}); expected a file "
            "written by cupel run. The other records are untouched."
        ) from error


def exit_code(document: Mapping[str, Any]) -> int:
    """1 where a claim could not be tried, 3 where a headline is contradicted, 4 where nothing is testable, else 0."""
    if any(claim["broken"] for claim in document["claims"]):
        return 1
    heads = [verdict for verdict in document["verdicts"] if verdict["is_headline"]]
    if any(verdict["verdict"] == "contradicted" for verdict in heads):
        return CONTRADICTED
    return NOT_TESTABLE if all(v["verdict"] == "not testable" for v in document["verdicts"]) else 0


def headline_of(document: Mapping[str, Any]) -> str:
    """One sentence: the verdict on one claim, or the count of verdicts on several."""
    heads = [verdict for verdict in document["verdicts"] if verdict["is_headline"]]
    if len(heads) == 1:
        return sentence_of(heads[0])
    words = [verdict["verdict"] for verdict in heads]
    counts = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    return f"{len(heads)} claims: {', '.join(counts)}."


def describe_claim(
    card: Claim, records: CellRecords, *, job: Job, label: str, pairs: int | None = None
) -> dict[str, Any]:
    """One claim and its verdicts as plain data.

    Args:
        card: the claim.
        records: what its trials gave.
        job: what its jobs have in common.
        label: its name for people.
        pairs: pairs that were fixed beforehand, None where they were added until a verdict.
    """
    found = judge_claim(card, records, size=job.size, most_pairs=pairs)
    scope = _scope(card, job, records)
    verdicts = [_verdict(said, found[said.name], job=job, scope=scope, spent_s=records.spent_s) for said in card.said]
    for index, verdict in enumerate(verdicts):
        verdict["is_headline"] = index == 0
    claim = {
        "claim": job.stem, "key": job.cell, "label": label, "size": job.size, "sizes": dict(job.sizes),
        "settings": {**job.overrides, **job.settings}, "seed": job.seed, "device": job.device,
        "says": card.says, "source": card.source, "published": card.published,
        "kept": card.kept, "smaller": card.smaller, "varies": list(card.varies), "path": job.source,
        "module": job.module, "digest": job.digest,
        "arms": describe_arms(card, records),
        "statements": {
            said.name: describe_evidence(said, records, is_sequential=pairs is None) for said in card.said
        },
        "tuned": [
            {"arm": arm, "trial": trial, "hp": dict(tuned.hp), "value": tuned.value, "num_trials": tuned.num_trials,
             "edge": list(tuned.edge)} for (arm, trial), tuned in records.tuned.items()
        ],
        "failures": _failures(records), "broken": _broken(records), "untestable": dict(records.untestable),
        "variance": describe_variance(card, records), "spent_s": records.spent_s,
    }  # fmt: skip
    return {"claim": claim, "verdicts": verdicts}


def _verdict(said: Statement, found: Judgement, *, job: Job, scope: str, spent_s: float) -> dict[str, Any]:
    interval = None if found.interval is None else [found.interval.low, found.interval.high]
    verdict: dict[str, Any] = {
        "claim": job.stem, "key": job.cell, "statement": said.name, "kind": said.kind, "says": said.says,
        "sentence": "exactness" if said.kind == "exact" else said.sentence, "metric": said.metric, "unit": said.unit,
        "better": said.better, "scale": said.scale, "arms": list(said.arms) if said.kind in WITH_ARMS else [],
        "bar": said.bar, "margin": said.margin, "rope": said.rope, "counts": what_counts(said),
        **describe_limits(said), "verdict": found.verdict, "reason": found.reason,
        "effect": found.effect, "interval": interval, "level": LEVEL, "method": found.method, "n": found.n,
        "p": None if math.isnan(found.p) else found.p, "num_more": found.num_more, "num_failed": found.num_failed,
        "is_open": found.is_open, "scope": f"simulated, not measured; {scope}" if said.kind == "simulated" else scope,
        "price": {"wall_s": spent_s},
        "warnings": [{"code": note.code, "text": note.text} for note in found.warnings],
    }  # fmt: skip
    verdict["would_change"] = would_change(verdict)
    return verdict


def _scope(card: Claim, job: Job, records: CellRecords) -> str:
    """What the verdicts speak of."""
    parts = [f"this task at size {job.size} on {job.device}"]
    if job.overrides or job.settings:
        parts.append(" ".join(f"{key}={value}" for key, value in {**job.overrides, **job.settings}.items()))
    if card.varies:
        parts.append(f"seeds vary {', '.join(card.varies)}")
    if records.tuned and "hpo" not in card.varies:
        parts.append("conditional on one tuning of each arm")
    return "; ".join(parts)


def _failures(records: CellRecords) -> list[dict[str, Any]]:
    found = [
        {"arm": ended.job.arm or ended.job.kind, "index": ended.job.launch, "stream": ended.job.stream,
         "reason": ended.reason, "message": ended.message, "log_tail": list(ended.log_tail)}
        for ended in records.failed
    ]  # fmt: skip
    for (arm, index), text in records.lost.items():
        reason, _, message = text.partition(": ")
        found.append(
            {"arm": arm, "index": index, "stream": "speed", "reason": reason, "message": message, "log_tail": []}
        )
    return found


def _broken(records: CellRecords) -> str:
    """Why nothing more can be learnt: an arm of which no trial ended well."""
    ended_well: dict[str, list[bool]] = {}
    for ended in records.trials.values():
        ended_well.setdefault(ended.job.arm or ended.job.kind, []).append(ended.status == "ok")
    for (arm, _), rate in records.rates.items():
        ended_well.setdefault(f"launches of {arm}", []).append(not math.isnan(rate) or arm in records.untestable)
    bad = [name for name, each in ended_well.items() if not any(each)]
    return f"no trial of {', '.join(bad)} ended well" if bad else ""

"""The words by which `lint` recognises columns and methods: what a name says, never which direction is better.

A finding that rests on a name quotes it, so a name that means something else can be seen and the rule ignored.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORD = re.compile(r"[a-z]+\d*|\d+")
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

TEST = frozenset({"test", "holdout", "heldout", "tst"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
TRAIN = frozenset({"train", "training", "trn"})
PARTS = {"test": TEST, "validation": VALIDATION, "train": TRAIN}
ACCURACY = frozenset({"acc", "accuracy", "top1"})
BALANCED = frozenset(
    {"balanced", "bal", "bacc", "mcc", "f1", "fscore", "auc", "auroc", "rocauc", "auprc", "aucpr", "kappa", "gmean"}
    | {"macro", "recall", "sensitivity", "specificity", "brier", "logloss", "nll", "ap", "ece"}
)
PROPORTION = ACCURACY | frozenset(
    {"top5", "f1", "fscore", "auc", "auroc", "rocauc", "auprc", "aucpr", "ap", "map", "map50", "recall", "sensitivity"}
    | {"specificity", "iou", "miou", "dice", "em", "bacc", "winrate"}
)
QUALITY = PROPORTION | frozenset(
    {"precision", "mcc", "kappa", "gmean", "error", "err", "loss", "nll", "rmse", "mse", "mae", "mape", "smape"}
    | {"mase", "perplexity", "ppl", "wer", "cer", "fid", "regret", "logloss", "crossentropy", "ce", "brier", "ece"}
    | {
        "return",
        "returns",
        "reward",
        "rewards",
        "score",
        "bleu",
        "rouge",
        "meteor",
        "psnr",
        "ssim",
        "elbo",
        "r2",
        "metric",
    }
    | {"ndcg", "mrr", "value", "result", "performance", "perf", "objective", "likelihood", "pinball", "crps"}
)
LEARNED = QUALITY - {"metric", "value", "result", "performance", "perf", "score", "objective"}
"""Those that measure something learned, whatever the table is about."""
COST = frozenset(
    {"time", "seconds", "sec", "runtime", "duration", "latency", "throughput", "walltime", "wall", "elapsed", "energy"}
    | {"flops", "macs", "speedup", "ms"}
)
SPREAD = frozenset(
    {"std", "stdev", "stddev", "sd", "sem", "se", "stderr", "ci", "ci95", "lower", "upper"}
    | {"iqr", "variance", "halfwidth", "q25", "q75", "p5", "p95", "lb", "ub"}
)
OVER_TASKS = frozenset({"average", "avg", "mean", "median", "rank", "overall", "wins", "total"})
"""A task that is called so is a row of means, not a task."""
MEAN = frozenset({"mean", "avg", "average"})
MEANT_OTHERWISE = frozenset(
    {"absolute", "squared", "square", "iou", "ap", "precision", "rank", "reciprocal", "teacher"}
)
"""Words that make a mean part of a measure's own name: mean absolute error, average precision."""
COUNT = frozenset({"n", "num", "nb", "number", "count", "total"})
REPEATS = frozenset({"runs", "run", "seeds", "seed", "reps", "repeats", "repetitions", "replicates", "launches"})
TRIALS = frozenset({"trials", "trial", "configs", "config", "configurations", "candidates", "evals", "evaluations"})
TUNING = frozenset({"hpo", "tuning", "tune", "tuned", "search", "sweep"})
TUNING_SIZE = frozenset({"budget", "trials", "iters", "iterations", "evals", "runs", "samples"})
TUNING_TIME = frozenset({"hours", "h", "s", "time"})
HYPERPARAMETER = frozenset(
    {"param", "params", "hparam", "hparams", "hyperparameters", "lr", "learning", "alpha", "beta", "gamma", "lambda"}
    | {"depth", "dropout", "wd", "decay", "momentum", "hidden", "width", "layers", "estimators", "c", "kernel", "batch"}
)
CONFIGURATION = frozenset({"trial", "config", "configuration", "candidate", "hparam", "hparams", "hyperparameters"})
RUN_LABELS = frozenset({"run", "runid", "launch", "uuid", "uid"})
CHOSEN = frozenset({"best", "selected", "chosen", "early", "stop", "stopped", "stopping", "checkpoint", "ckpt"})
MOMENT = frozenset({"epoch", "step", "iter", "iteration", "checkpoint", "ckpt", "stop", "stopped", "stopping", "round"})
FOLD = frozenset({"fold", "folds", "cv", "kfold"})
P_NAMES = frozenset({"pvalue", "pval", "p_value", "p_val", "p.value", "p"})
ADJUSTED = frozenset(
    {"adj", "adjusted", "corrected", "correction", "holm", "bonferroni", "bonf", "bh", "fdr", "qvalue", "qval", "padj"}
    | {"nemenyi", "tukey", "hommel", "hochberg", "sidak", "dunnett"}
)
NO_MEASURE = frozenset(
    {"lr", "learning", "dropout", "n", "num", "size", "id", "seed", "rank", "weight", "selection", "monitor"}
    | {"majority", "prior", "target", "threshold", "source", "unit", "units", "name", "batch", "params", "started"}
    | {"at", "stamp", "timestamp", "date", "status", "note", "limit", "factor", "temperature"}
)
TRIVIAL = frozenset(
    {"majority", "dummy", "constant", "chance", "naive", "zero", "zeror", "baseline", "linear", "logistic", "ridge"}
    | {"ols", "persistence", "seasonal", "default", "identity", "random", "rs", "uniform", "mean", "median", "prior"}
    | {"stratified", "unigram", "mode", "heuristic", "human", "1nn", "knn"}
)
"""A method whose name has one of these is taken for a simple yardstick."""
NO_LEARNING = TRIVIAL - {"rs", "random", "linear", "logistic", "ridge", "baseline"}
"""Those of them that have nothing to tune and no seed to vary."""
NEUTRAL = frozenset(
    {"predictor", "classifier", "regressor", "regression", "model", "class", "guess", "guessing", "policy", "agent"}
    | {"rule", "r", "search", "probe", "label", "value", "strategy", "method", "only", "performance", "level"}
)
"""Words that may stand beside those: `random_search` is a yardstick, `random_forest` is not."""


@lru_cache(maxsize=4096)
def words_of(name: str) -> frozenset[str]:
    """The words of a name, in lower case.

    Example:
        >>> sorted(words_of("testAcc_top1")), sorted(words_of("val/F1 (%)"))
        (['acc', 'test', 'top1'], ['f1', 'val'])
    """
    return frozenset(WORD.findall(CAMEL.sub("_", name).lower()))


def part_of(name: str) -> str:
    """Which part of the data a measure is of: test, validation, train; empty where the name says none.

    Example:
        >>> part_of("val_loss"), part_of("accuracy"), part_of("time_to_train_min")
        ('validation', '', '')
    """
    words = words_of(name)
    if words & COST:
        return ""
    return next((part for part, names in PARTS.items() if words & names), "")


def is_spread(name: str) -> bool:
    """Whether a column says how far values vary, or an end of an interval."""
    return bool(words_of(name) & SPREAD)


def is_repeat_count(name: str) -> bool:
    """Whether a column says how many runs a row is made of.

    Example:
        >>> is_repeat_count("n_seeds"), is_repeat_count("seed"), is_repeat_count("n")
        (True, False, True)
    """
    words = words_of(name)
    return words in ({"n"}, {"runs"}, {"seeds"}, {"repeats"}) or bool(words & COUNT and words & REPEATS)


def is_mean(name: str) -> bool:
    """Whether a column is called a mean over runs.

    Example:
        >>> is_mean("mean_reward"), is_mean("mean_absolute_error")
        (True, False)
    """
    words = words_of(name)
    return bool(words & MEAN) and not words & MEANT_OTHERWISE


def is_tuning_budget(name: str) -> bool:
    """Whether a column says how much was spent on tuning.

    Example:
        >>> [is_tuning_budget(name) for name in ("n_trials", "hpo_budget", "tuning_time_h", "search_time_h", "trial")]
        [True, True, True, False, False]
    """
    words = words_of(name)
    is_counted = words & COUNT and words & TRIALS - {"evals", "evaluations"}
    is_time = words & TUNING - {"search", "sweep"} and words & TUNING_TIME
    return bool(is_counted or is_time or (words & TUNING and words & TUNING_SIZE))


def is_hyperparameter(name: str) -> bool:
    """Whether a column is called like a setting that is tuned."""
    return bool(words_of(name) & HYPERPARAMETER) and not is_tuning_budget(name)


def is_configuration(name: str) -> bool:
    """Whether a column numbers configurations that were tried."""
    words = words_of(name)
    return bool(words & CONFIGURATION) and not words & (COUNT | CHOSEN | QUALITY) and not is_tuning_budget(name)


def is_checkpoint(name: str) -> bool:
    """Whether a column says at which moment of training the model was taken.

    Example:
        >>> is_checkpoint("best_epoch"), is_checkpoint("epoch"), is_checkpoint("best_acc")
        (True, False, False)
    """
    words = words_of(name)
    return bool(words & CHOSEN and words & MOMENT) and not words & QUALITY


def is_adjusted(name: str) -> bool:
    """Whether a column holds p-values, or a word, of a correction for several comparisons."""
    return bool(words_of(name) & ADJUSTED) or name.strip().lower() in ("q", "q_value", "q-value")


def is_p_value(name: str) -> bool:
    """Whether a column is called like p-values as a test gives them.

    Example:
        >>> is_p_value("p-value"), is_p_value("wilcoxon_p"), is_p_value("p_adj"), is_p_value("top_p")
        (True, True, False, False)
    """
    lower = name.strip().lower()
    words = words_of(lower)
    called = lower in P_NAMES or words >= {"p", "value"} or words >= {"p", "val"} or bool(words & {"pvalue", "pval"})
    tested = "p" in words and words & {"ttest", "wilcoxon", "t", "test", "mannwhitney", "mcnemar", "welch", "friedman"}
    return bool(called or tested) and not is_adjusted(name)


def is_measure(name: str) -> bool:
    """Whether a column of numbers is called like a measurement of quality or cost.

    Example:
        >>> [is_measure(name) for name in ("test_acc", "learning_rate", "acc_std", "n_test", "wall_s")]
        [True, False, False, False, True]
    """
    words = words_of(name)
    is_other = is_spread(name) or is_repeat_count(name) or is_tuning_budget(name) or is_checkpoint(name)
    is_other = is_other or is_p_value(name) or is_adjusted(name) or bool(words & NO_MEASURE)
    return bool(words & (QUALITY | COST)) and not is_other


def is_trivial(method: str) -> bool:
    """Whether a method's name says that it is a simple yardstick.

    Example:
        >>> [is_trivial(name) for name in ("RS", "DummyClassifier", "RandomForest", "mean teacher", "majority class")]
        [True, True, False, False, True]
    """
    return _is_named(method, TRIVIAL)


def is_without_learning(method: str) -> bool:
    """Whether a method's name says that there is nothing in it to tune or to repeat."""
    return _is_named(method, NO_LEARNING)


def _is_named(method: str, names: frozenset[str]) -> bool:
    words = words_of(method)
    return bool(words & names) and words <= TRIVIAL | NEUTRAL

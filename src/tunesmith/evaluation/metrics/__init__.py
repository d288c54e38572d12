"""Figures over evidence. A new one: a file here, a line in this table."""

from collections.abc import Mapping
from typing import Any

from tunesmith.core.registry import Registry

_HERE = "tunesmith.evaluation.metrics"


class Metrics(Registry):
    """Metrics by name; ``part/metric`` and ``mean(...)`` of these are a mixture's (``of_parts``)."""

    def __contains__(self, name: object) -> bool:
        return (isinstance(name, str) and "/" in name) or super().__contains__(name)

    def load(self, name: str) -> Any:
        """The metric's class; a mixture's metric itself, which has no class of its own."""
        return self.make(name) if "/" in name else super().load(name)

    def make(self, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """The metric."""
        if "/" not in name:
            return super().make(name, options)
        from tunesmith.evaluation.metrics.of_parts import of_parts

        return of_parts(name, lambda plain: super(Metrics, self).make(plain))


METRICS = Metrics(
    "metric",
    {
        "accuracy": f"{_HERE}.accuracy:Accuracy",
        "macro_f1": f"{_HERE}.macro_f1:MacroF1",
        "micro_f1": f"{_HERE}.micro_f1:MicroF1",
        "precision": f"{_HERE}.precision:Precision",
        "recall": f"{_HERE}.recall:Recall",
        "weighted_f1": f"{_HERE}.weighted_f1:WeightedF1",
        "mcc": f"{_HERE}.mcc:Mcc",
        "ece": f"{_HERE}.ece:Ece",
        "relation_macro_f1": f"{_HERE}.relation_f1:RelationMacroF1",
        "relation_micro_f1": f"{_HERE}.relation_f1:RelationMicroF1",
        "log_loss": f"{_HERE}.log_loss:LogLoss",
        "brier": f"{_HERE}.brier:Brier",
        "subset_accuracy": f"{_HERE}.subset_accuracy:SubsetAccuracy",
        "macro_average_precision": f"{_HERE}.macro_average_precision:MacroAveragePrecision",
        "mae": f"{_HERE}.mae:Mae",
        "rmse": f"{_HERE}.rmse:Rmse",
        "r2": f"{_HERE}.r2:R2",
        "pearson": f"{_HERE}.pearson:Pearson",
        "spearman": f"{_HERE}.spearman:Spearman",
        "exact_match": f"{_HERE}.exact_match:ExactMatch",
        "answer_f1": f"{_HERE}.answer_f1:AnswerF1",
        "answerable_f1": f"{_HERE}.answerable_f1:AnswerableF1",
        "no_answer_accuracy": f"{_HERE}.no_answer_accuracy:NoAnswerAccuracy",
        "mrr": f"{_HERE}.mrr:Mrr",
        "recall_at_1": f"{_HERE}.recall_at_1:RecallAt1",
        "recall_at_10": f"{_HERE}.recall_at_10:RecallAt10",
        "parity_gap": f"{_HERE}.parity_gap:ParityGap",
        "odds_gap": f"{_HERE}.odds_gap:OddsGap",
        "bleu": f"{_HERE}.bleu:Bleu",
        "chrf": f"{_HERE}.chrf:Chrf",
        "rouge1": f"{_HERE}.rouge:Rouge1",
        "rouge2": f"{_HERE}.rouge:Rouge2",
        "rougeL": f"{_HERE}.rouge:RougeL",
        "repetition": f"{_HERE}.repetition:Repetition",
        "length_ratio": f"{_HERE}.length_ratio:LengthRatio",
        "distinct_2": f"{_HERE}.distinct_2:Distinct2",
        "pass_at_1": f"{_HERE}.pass_at_k:PassAt1",
        "pass_at_k": f"{_HERE}.pass_at_k:PassAtK",
        "obedience": f"{_HERE}.obedience:Obedience",
        "length_obedience": f"{_HERE}.obedience:LengthObedience",
        "parses": f"{_HERE}.parses:Parses",
        "perplexity": f"{_HERE}.perplexity:Perplexity",
        "token_accuracy": f"{_HERE}.token_accuracy:TokenAccuracy",
        "ndcg_at_10": f"{_HERE}.ndcg_at_10:NdcgAt10",
        "hit_rate_at_10": f"{_HERE}.hit_rate_at_10:HitRateAt10",
        "cold_hit_rate_at_10": f"{_HERE}.hit_rate_at_10:ColdHitRateAt10",
        "coverage_at_10": f"{_HERE}.of_lists:CoverageAt10",
        "diversity_at_10": f"{_HERE}.of_lists:DiversityAt10",
        "popularity_bias": f"{_HERE}.of_lists:PopularityBias",
        "preference_loss": f"{_HERE}.preference:PreferenceLoss",
        "preference_accuracy": f"{_HERE}.preference:PreferenceAccuracy",
        "reward_accuracy": f"{_HERE}.preference:RewardAccuracy",
        "mean_reward": f"{_HERE}.mean_reward:MeanReward",
    },
)

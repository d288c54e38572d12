"""How a model is trained: plain objects that wrap positions of the one loop."""

from tunesmith.core.registry import Registry

STRATEGIES = Registry(
    "strategy",
    {
        "fgm": "tunesmith.training.strategies.fgm:Fgm",
        "pgd": "tunesmith.training.strategies.pgd:Pgd",
        "freelb": "tunesmith.training.strategies.freelb:FreeLb",
        "neftune": "tunesmith.training.strategies.neftune:NefTune",
        "r_drop": "tunesmith.training.strategies.r_drop:RDrop",
        "l2_sp": "tunesmith.training.strategies.l2_sp:L2Sp",
        "ema": "tunesmith.training.strategies.ema:Ema",
        "swa": "tunesmith.training.strategies.swa:Swa",
        "wise_ft": "tunesmith.training.strategies.wise_ft:WiseFt",
        "focal": "tunesmith.training.strategies.focal:Focal",
        "label_smoothing": "tunesmith.training.strategies.label_smoothing:LabelSmoothing",
        "class_weights": "tunesmith.training.strategies.class_weights:ClassWeights",
        "mixup": "tunesmith.training.strategies.mixup:Mixup",
        "supcon": "tunesmith.training.strategies.supcon:SupCon",
        "multi_task": "tunesmith.training.strategies.multi_task:MultiTask",
        "distill": "tunesmith.training.strategies.distill:Distill",
        "lwf": "tunesmith.training.strategies.lwf:Lwf",
        "ewc": "tunesmith.training.strategies.ewc:Ewc",
        "replay": "tunesmith.training.strategies.replay:Replay",
        "contrastive": "tunesmith.training.strategies.contrastive:Contrastive",
        "pseudo_labels": "tunesmith.training.strategies.pseudo_labels:PseudoLabels",
        "dp_sgd": "tunesmith.training.strategies.dp_sgd:DpSgd",
        "fair": "tunesmith.training.strategies.fair:Fair",
        "uda": "tunesmith.training.strategies.uda:Uda",
        "coral": "tunesmith.training.strategies.coral:Coral",
        "dann": "tunesmith.training.strategies.dann:Dann",
        "dpo": "tunesmith.training.strategies.dpo:Dpo",
        "orpo": "tunesmith.training.strategies.orpo:Orpo",
        "kto": "tunesmith.training.strategies.kto:Kto",
        "grpo": "tunesmith.training.strategies.grpo:Grpo",
    },
)

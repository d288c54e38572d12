"""Spans in a text that stands beside a picture: a post, a caption, a product's name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel

from tunesmith.core.contracts import Batch, Column, Feature, Row
from tunesmith.models.encoders.inputs import MediaInput, input_of, to_json
from tunesmith.tasks.media_batches import media_arrays
from tunesmith.tasks.media_requests import KINDS, inline
from tunesmith.tasks.multimodal import ENCODERS, Rate
from tunesmith.tasks.tag_layer import Scheme
from tunesmith.tasks.token_classification import TextWithWords, TokenClassification

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

PARTS = 9


class TextWithPicture(TextWithWords):
    """A text, its words where they are known, and the picture's bytes in base64 where there is one."""

    image: Annotated[str, AfterValidator(inline(KINDS["image"]))] | None = None


class ImageTokenClassification(TokenClassification):
    """Spans of a text whose tokens look at the picture beside it; a row may lack one.

    Args:
        scheme: tags of the model, as of token-classification.
        nested: as of token-classification.
        constrained: whether only legal sequences of tags are answered.
        image: the encoder of pictures, which stays as it is: a packaged name, a hub id or a folder.
        modality_dropout: how often training leaves out the picture.
    """

    name: ClassVar[str] = "image-token-classification"
    summary: ClassVar[str] = "spans in a text that stands beside a picture"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("text"),
        Column("words", "spans", required=False),
        Column("image", "image", required=False),
        Column("spans", "spans", target=True),
    )
    auto_model: ClassVar[str] = "tunesmith.models.multimodal:MultimodalLoader"

    def __init__(
        self,
        scheme: Scheme = "BIO",
        nested: Literal["auto", "on", "off"] = "auto",
        constrained: bool = True,
        image: str = ENCODERS["image"],
        modality_dropout: Rate = 0.2,
    ) -> None:
        super().__init__(scheme, nested, constrained)
        self.image = image
        self.modality_dropout = modality_dropout

    @property
    def takes(self) -> Mapping[str, MediaInput]:
        """What the encoder of pictures wants to be given."""
        return {"image": input_of("image", self.state["takes"])} if "takes" in self.state else {}

    def learn(self, rows: Iterable[Row]) -> dict[str, Any]:
        """The labels; and that the encoder of pictures can be had."""
        from tunesmith.models.encoders.found import described, find

        state = super().learn(rows)
        self.restore({**state, "encoders": {"image": described(find(self.image, "image"))}})
        return self.state

    def start_from(self, reference: Any, pooling: str) -> None:
        """The text's encoder."""
        self._start = reference

    def configure(self, config: PretrainedConfig) -> None:
        """The tags, and what the model is made of."""
        from tunesmith.models.encoders.found import find

        super().configure(config)
        config.multimodal = {
            "encoders": {
                "text": {"folder": self._start.path, "pooling": "mean"},
                "image": {"folder": find(self.image, "image").path},
            },
            "end": "tagged",
            "dropout": 0.1,
            "modality_dropout": self.modality_dropout,
            "parts": PARTS,
        }

    def built(self, model: Any) -> None:
        """The encoder of pictures stays as it is; what it wants to be given is kept."""
        model.encoders["image"].requires_grad_(False)
        self.restore({**self.state, "takes": to_json(model.encoders["image"].takes)})

    def encode(
        self, rows: Sequence[Row], processor: PreTrainedTokenizerBase, *, max_length: int, targets: bool
    ) -> list[Feature]:
        """Windows of each row, each with the row's picture."""
        features = super().encode(rows, processor, max_length=max_length, targets=targets)
        for feature in features:
            picture = rows[feature["row"]].get("image")
            feature["present"] = np.array([1.0, float(bool(picture))], dtype=np.float32)
            if picture:
                feature["image"] = picture
        return features

    def collate(self, features: Sequence[Feature], processor: PreTrainedTokenizerBase) -> Batch:
        """As of token-classification; ``image_values`` and ``present``."""
        batch = super().collate(features, processor)
        present = np.stack([feature["present"] for feature in features])
        return {**batch, **media_arrays(features, self.takes), "present": present}

    def request_model(self) -> type[BaseModel]:
        """A text, its words, a picture."""
        return TextWithPicture

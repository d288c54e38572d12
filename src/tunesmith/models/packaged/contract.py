"""What a packaged model declares, and how its folder is had."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tunesmith.core.errors import ModelError
from tunesmith.models.cache import cache_folder, file_hash, keep


@dataclass(frozen=True)
class PackagedModel:
    """Weights inside an installed Python package.

    Args:
        name: the word for it in recipes.
        summary: one line for ``tunesmith plugins``.
        hub_id: the hub's model that it stands for.
        package: the distribution on the package index.
        version: the pin that was tried.
        module: the package's import name. It is looked up, never imported.
        weights: the file with the weights, inside the module's folder.
        weights_hash: BLAKE2b-256 of that file, in hex.
        licence: SPDX name, of the weights.
        languages: ISO 639 codes.
        pooling: how the original makes one vector of its tokens, "mean" or "cls"; None where it makes none.
        prefix: what the original was trained to see before a text.
        max_length: tokens, special ones included.
        parameters: how many.
        pip_options: what ``pip install`` needs beside the pin.
        convert: None where the weights stand in a Hugging Face folder already; else writes one,
            ``convert(weights, empty_folder)``. Its result is kept in the user's cache.
        beside: further files that ``convert`` reads, in the folder of the weights, and their BLAKE2b-256.
        no_wheel: systems that the package has no wheel for, by ``sys.platform``, and their names.
        format: raised when ``convert`` comes to write something else, so that kept folders are made again.
    """

    name: str
    summary: str
    hub_id: str
    package: str
    version: str
    module: str
    weights: str
    weights_hash: str
    licence: str
    languages: tuple[str, ...]
    pooling: str | None
    prefix: str
    max_length: int
    parameters: int
    pip_options: str = ""
    convert: Callable[[Path, Path], None] | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    no_wheel: Mapping[str, str] = field(default_factory=dict)
    format: int = 1

    @property
    def revision(self) -> str:
        """The pin, as ``pip`` writes it."""
        return f"{self.package}=={self.version}"

    @property
    def install(self) -> str:
        """The command that installs it."""
        return " ".join(filter(None, ["pip install", self.pip_options, self.revision]))

    @property
    def installable(self) -> bool:
        """Whether that command can work on this system."""
        return sys.platform not in self.no_wheel

    @property
    def to_have_it(self) -> str:
        """What to do where it is not installed: the command, or what to take where the command would fail."""
        if self.installable:
            return f"Run: {self.install}"
        return (
            f"{self.package} has no wheel for {self.no_wheel[sys.platform]}: download {self.hub_id} from the hub "
            f"(model={self.hub_id}), or copy it from a machine that has it and give the folder: model=PATH"
        )

    @property
    def installed(self) -> bool:
        """Whether the weights are on this machine."""
        return self.weights_path() is not None

    def weights_path(self) -> Path | None:
        """The file with the weights; None where the package is not installed."""
        spec = find_spec(self.module)
        places = spec.submodule_search_locations if spec else None
        found = [path for place in places or () if (path := Path(place, self.weights)).is_file()]
        return found[0] if found else None

    def folder(self) -> Path:
        """The Hugging Face folder: the package's own, or the one converted into the user's cache.

        Raises:
            ModelError: the package is not installed, or its weights are not the ones that were tried.
        """
        weights = self.weights_path()
        if weights is None:
            raise ModelError(f'The package of the model "{self.name}" is not installed.', self.to_have_it)
        convert = self.convert
        if convert is None:
            self._verify(weights)
            return weights.parent

        def make(folder: Path) -> None:
            self._verify(weights)
            convert(weights, folder)

        return keep(cache_folder("models") / self.name, f"{self.weights_hash}/{self.format}", make)

    def _verify(self, weights: Path) -> None:
        wanted = {weights: self.weights_hash, **{weights.with_name(name): one for name, one in self.beside.items()}}
        for path in [path for path, one in wanted.items() if not path.is_file() or file_hash(path) != one]:
            raise ModelError(
                f'The weights of the model "{self.name}" ({path}) are damaged, or not those of {self.revision}.',
                f"Run: {self.install.replace('pip install', 'pip install --force-reinstall', 1)}",
            )

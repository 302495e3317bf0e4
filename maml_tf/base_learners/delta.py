"""A delta: what meta-training changed in a base encoder, small enough to ship.

Meta-training moves every weight by little, and most of what matters of it is of low
rank. So the difference to the base encoder is kept as the factors of its singular value
decomposition in 8 bits, with a card that tells what it was trained on.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from maml_tf.base_learners.errors import BaseLearnerError

FORMAT = 1
FOLDER = Path(__file__).with_name("deltas")
_SAMPLE = 4096  # values of each weight that the fingerprint reads
_CARD = "card"


@dataclass(frozen=True)
class Delta:
    """The difference between a meta-trained encoder and its base.

    Attributes:
        changes: by path of a weight of the backbone, the arrays that make its change:
            `left`, `right` and their scales of factors, or `whole`.
        card: what it was made of; see docs/pretraining.md. `base` in it names the
            base encoder and its fingerprint.
        seen_texts: digests of the texts it was trained or validated on, `uint64`,
            sorted.
        seen_classes: the same of the names of their classes.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> base, trained = (create_text_encoder(num_layers=1, hidden_dim=8, seed=seed)
    ...                  for seed in (0, 1))
    >>> delta = Delta.between(base.backbone, trained.backbone, rank=8)
    >>> delta.apply(base.backbone)
    >>> [a, b] = [m.backbone.get_weights()[0] for m in (base, trained)]
    >>> bool(abs(a - b).max() < 1e-3)
    True
    """

    changes: Mapping[str, Mapping[str, np.ndarray]]
    card: dict[str, Any]
    seen_texts: np.ndarray
    seen_classes: np.ndarray

    @classmethod
    def between(
        cls,
        base: keras.Model,
        trained: keras.Model,
        *,
        rank: int = 32,
        card: Mapping[str, Any] | None = None,
        seen_texts: Sequence[int] | np.ndarray = (),
        seen_classes: Sequence[int] | np.ndarray = (),
    ) -> "Delta":
        """Compresses the difference of two backbones of one architecture.

        Args:
            base: with the weights that the delta will be added to.
            trained: with the weights that it shall lead to.
            rank: of the factors of each matrix.
            card, seen_texts, seen_classes: see the class.

        Raises:
            BaseLearnerError: the two have other weights by name or shape.
        """
        old = {v.path: np.asarray(v.numpy(), "float32") for v in base.variables}
        new = {v.path: np.asarray(v.numpy(), "float32") for v in trained.variables}
        if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
            raise BaseLearnerError(
                "A delta is between two encoders of one architecture; these two have "
                "weights of other names or shapes."
            )
        changes = {
            path: _compress(new[path] - old[path], rank)
            for path in old
            if np.any(new[path] != old[path])
        }
        described = {**(card or {}), "format": FORMAT}
        described["base"] = {
            **described.get("base", {}),
            "fingerprint": fingerprint(base),
        }
        texts, classes = (
            np.unique(np.asarray(seen, "uint64")) for seen in (seen_texts, seen_classes)
        )
        return cls(changes, described, texts, classes)

    def apply(self, backbone: keras.Model) -> None:
        """Adds the delta to the weights of its base encoder, in place.

        Raises:
            BaseLearnerError: the backbone does not have the weights that the delta is
                a difference to.
        """
        found = fingerprint(backbone)
        wanted = self.card["base"]["fingerprint"]
        if found != wanted:
            name = self.card["base"].get("preset", "its base encoder")
            raise BaseLearnerError(
                f"The delta {self.card.get('name', 'given')!r} is a difference to the "
                f"weights of {name} (fingerprint {wanted}) and cannot be added to "
                f"others (fingerprint {found}); make one for this encoder with "
                "`python -m training.pretrain`, or ask for pretrained='base'."
            )
        self._add(backbone)

    def _add(self, backbone: keras.Model) -> None:
        for variable in backbone.variables:
            if (change := self.changes.get(variable.path)) is not None:
                shape = tuple(variable.shape)
                value = variable.numpy().astype("float32") + _expand(change, shape)
                variable.assign(value)

    def save(self, path: str | Path) -> None:
        """Writes PATH.npz, all there is, and PATH.json, the card for people."""
        path = Path(path).with_suffix(".npz")
        arrays = {
            f"{weight}:{part}": array
            for weight, change in self.changes.items()
            for part, array in change.items()
        }
        text = json.dumps(self.card, indent=2, ensure_ascii=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            path,
            allow_pickle=False,
            **{_CARD: np.frombuffer(text.encode("utf-8"), "uint8")},
            seen_texts=self.seen_texts,
            seen_classes=self.seen_classes,
            **arrays,
        )
        path.with_suffix(".json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "Delta":
        """Reads what `save` wrote.

        Raises:
            BaseLearnerError: there is no such file, it is no delta, or it is of a
                format that this version does not read.
        """
        path = Path(path)
        if not path.is_file():
            raise BaseLearnerError(
                f"There is no delta {str(path)!r}; pretrained is 'base', 'meta' or a "
                "file that `python -m training.pretrain` wrote."
            )
        try:
            with np.load(path, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            card = json.loads(arrays.pop(_CARD).tobytes().decode("utf-8"))
            version = card["format"]
            texts, classes = arrays.pop("seen_texts"), arrays.pop("seen_classes")
            str(card["base"]["fingerprint"])
        except Exception as error:
            # A broken archive raises a dozen kinds of exceptions, all with one cause.
            raise BaseLearnerError(
                f"{path} is no delta ({type(error).__name__}); give a file that "
                "`python -m training.pretrain` wrote."
            ) from error
        if version != FORMAT:
            raise BaseLearnerError(
                f"{path} is a delta of format {version}, and this version of maml_tf "
                f"reads format {FORMAT}; make it anew with `python -m "
                "training.pretrain`."
            )
        changes: dict[str, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            weight, _, part = name.rpartition(":")
            changes.setdefault(weight, {})[part] = array
        return cls(changes, card, texts, classes)


def fingerprint(backbone: keras.Model) -> str:
    """16 hexadecimal digits that tell the weights of one encoder from another's.

    Example:

    >>> from maml_tf.base_learners import create_text_encoder
    >>> [a, b, c] = [create_text_encoder(num_layers=1, hidden_dim=8, seed=seed).backbone
    ...              for seed in (0, 0, 1)]
    >>> fingerprint(a) == fingerprint(b), fingerprint(a) == fingerprint(c)
    (True, False)
    """
    digest = hashlib.sha256()
    for variable in backbone.variables:
        if "seed_generator" in variable.path:  # dropout's, which is no weight
            continue
        values = np.asarray(variable.numpy()).reshape(-1)
        # Every weight is read in part: reading all takes longer than loading them.
        sample = values[:: max(1, len(values) // _SAMPLE)].astype("float32")
        digest.update(repr(tuple(variable.shape)).encode())
        digest.update(sample.tobytes())
    return digest.hexdigest()[:16]


def shipped_deltas() -> dict[str, Path]:
    """The deltas inside the package: from the fingerprint of their base to the file."""
    found = {}
    for card in sorted(FOLDER.glob("*.json")):
        described = json.loads(card.read_text(encoding="utf-8"))
        found[described["base"]["fingerprint"]] = card.with_suffix(".npz")
    return found


def apply_pretrained(backbone: keras.Model, pretrained: str | None) -> None:
    """Adds the delta that `pretrained` names to a base encoder, in place.

    Args:
        backbone: of a preset, with the preset's weights.
        pretrained: None for the delta inside the package where there is one for these
            weights, "meta" to insist on it, "base" for none, or a delta's file.

    Raises:
        BaseLearnerError: the delta named is not there or not for these weights.
    """
    if pretrained == "base":
        return
    if pretrained in (None, "meta"):
        shipped = shipped_deltas()
        path = shipped.get(fingerprint(backbone)) if shipped else None
        if path is not None:
            Delta.load(path)._add(backbone)  # found by this very fingerprint
        elif pretrained == "meta":
            raise BaseLearnerError(
                "No delta in this package is for the weights of this encoder; make one "
                "with `python -m training.pretrain`, or ask for pretrained='base'."
            )
        return
    Delta.load(str(pretrained)).apply(backbone)


def _compress(change: np.ndarray, rank: int) -> dict[str, np.ndarray]:
    """Factors of a matrix in 8 bits; a vector, or a small matrix, as it is."""
    rows, columns = _as_matrix(change.shape)
    if rank * (rows + columns) >= rows * columns:
        return {"whole": change.astype("float16")}
    left, values, right = np.linalg.svd(
        change.reshape(rows, columns), full_matrices=False
    )
    root = np.sqrt(values[:rank])
    factors = {"left": left[:, :rank] * root, "right": (right[:rank].T * root)}
    packed = {}
    for name, factor in factors.items():
        # One scale a column: each direction has a length of its own.
        scale = np.maximum(np.abs(factor).max(axis=0), 1e-20) / 127
        packed[name] = np.rint(factor / scale).astype("int8")
        packed[f"{name}_scale"] = scale.astype("float32")
    return packed


def _expand(packed: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    if "whole" in packed:
        return packed["whole"].astype("float32").reshape(shape)
    left, right = (packed[k] * packed[f"{k}_scale"] for k in ("left", "right"))
    return (left @ right.T).reshape(shape)


def _as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a kernel, cut where its matrix is squarest.

    >>> _as_matrix((384, 12, 32)), _as_matrix((12, 32, 384)), _as_matrix((384,))
    ((384, 384), (384, 384), (384, 1))
    """
    cuts = [
        (int(np.prod(shape[:i])), int(np.prod(shape[i:])))
        for i in range(1, len(shape) + 1)
    ]
    return max(cuts, key=min) if cuts else (1, 1)

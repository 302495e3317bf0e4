"""Few-shot intents: the published protocol, whole bots, languages, rivals."""

"""What a bot says of itself, in English or, where the question is Chinese, in that."""

import unicodedata
from collections.abc import Sequence

ENGLISH = {
    "nothing": "I do not know that. Please teach me.",
    "unsure": "I do not know that. Did you mean {intents}? If not, please teach me.",
    "between": "Do you mean {intents}?",
    "untaught": "I know nothing yet. Teach me two intents, with examples of each.",
    "one": "I know only {intents}. Teach me another, or a text that is for none.",
    "silent": "That is {intents}, and I was not taught what to say to it.",
    "slots": "Please say it again, with {intents}.",
    "or": " or ",
    "comma": ", ",
}
CHINESE = {
    "nothing": "这个我不知道，请教我。",
    "unsure": "这个我不知道。您是指{intents}吗？如果不是，请教我。",
    "between": "您是指{intents}？",
    "untaught": "我还什么都不会。请教我两个意图，每个至少一个例句。",
    "one": "我只会{intents}。请再教我一个意图，或者一句不属于任何意图的话。",
    "silent": "这是{intents}，但没有人教过我怎么回答。",
    "slots": "请再说一遍，并说明{intents}。",
    "or": "还是",
    "comma": "、",
}


def phrase(kind: str, asked: str, intents: Sequence[str] = ()) -> str:
    """A sentence of the bot's own, in Chinese or English.

    Example:

    >>> phrase("between", "my card", ["lost_card", "new_card"])
    'Do you mean lost_card or new_card?'
    >>> phrase("between", "我的卡", ["挂失", "补卡"])
    '您是指挂失还是补卡？'
    """
    words = CHINESE if _is_chinese(asked) else ENGLISH
    *first, last = intents or [""]
    named = words["or"].join(([words["comma"].join(first)] if first else []) + [last])
    return words[kind].replace("{intents}", named)


def _is_chinese(text: str) -> bool:
    names = [unicodedata.name(letter, "") for letter in text]
    return any(name.startswith("CJK UNIFIED") for name in names) and not any(
        name.startswith(("HIRAGANA", "KATAKANA", "HANGUL")) for name in names
    )

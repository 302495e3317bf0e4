"""The bot that the demo teaches: a few sentences of each intent, and questions."""

SUPPORT = {
    "order a pizza": [
        "I would like a pizza with mushrooms",
        "one large margherita, please",
        "can you bring me two pizzas tonight",
    ],
    "track a parcel": [
        "where is my package",
        "has my delivery left the depot yet",
        "tell me when the parcel arrives",
    ],
    "book a haircut": [
        "I need my hair cut on friday",
        "is there a free slot at the barber",
        "make me an appointment with the hairdresser",
    ],
    "cancel a subscription": [
        "I want to end my membership",
        "please stop my monthly plan",
        "how do I unsubscribe",
    ],
    "opening hours": [
        "when do you close today",
        "are you open on sunday",
        "what time does the shop open",
    ],
    "talk to a person": [
        "let me speak to a human",
        "I want a real agent",
        "can somebody from your staff call me",
    ],
}
# What the bot of the web page says.
RESPONSES = {
    "order a pizza": "With pleasure. Which one, and for what time?",
    "track a parcel": "It left our depot this morning and is with the courier.",
    "book a haircut": "Friday at ten or at three is still free. Which suits you?",
    "cancel a subscription": "Done. Nothing is charged from next month on.",
    "opening hours": "We are open from nine to seven, on Sundays from eleven.",
    "talk to a person": "I am putting you through to a colleague.",
}
QUERIES = [
    "two slices of pepperoni with extra cheese",
    "when will the courier be here",
    "can someone trim my fringe tomorrow",
    "do not charge my card next month",
    "are you there after six",
    "is anybody there or are you all robots",
    "what does a quattro stagioni cost",
    "who wrote war and peace",
]

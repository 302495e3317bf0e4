"""What stands for the slots that Home Assistant's templates leave to an installation.

The values are ours. A language that is not listed here gets the English ones.
"""

Values = dict[str, tuple[str, ...]]

ENGLISH: Values = {
    "name": ("desk lamp", "ceiling fan", "front door", "radio", "heater", "curtain"),
    "area": ("kitchen", "bedroom", "garage", "hallway", "office", "bathroom"),
    "floor": ("first floor", "ground floor", "attic", "basement"),
    "item": ("milk", "bread", "apples", "soap"),
    "anything": ("dinner", "the laundry", "a walk", "jazz", "the meeting"),
}
BY_LANGUAGE: dict[str, Values] = {
    "en": ENGLISH,
    "de": {
        "name": ("Schreibtischlampe", "Ventilator", "Haustür", "Radio", "Vorhang"),
        "area": ("Küche", "Schlafzimmer", "Garage", "Flur", "Büro", "Bad"),
        "floor": ("Erdgeschoss", "Obergeschoss", "Dachboden", "Keller"),
        "item": ("Milch", "Brot", "Äpfel", "Seife"),
        "anything": ("Abendessen", "die Wäsche", "Spaziergang", "Jazz", "Besprechung"),
    },
    "fr": {
        "name": ("lampe de bureau", "ventilateur", "porte d'entrée", "radio", "rideau"),
        "area": ("cuisine", "chambre", "garage", "couloir", "bureau", "salle de bain"),
        "floor": ("rez-de-chaussée", "premier étage", "grenier", "sous-sol"),
        "item": ("lait", "pain", "pommes", "savon"),
        "anything": ("le dîner", "la lessive", "une promenade", "du jazz", "réunion"),
    },
    "es": {
        "name": ("lámpara", "ventilador", "puerta principal", "radio", "cortina"),
        "area": ("cocina", "dormitorio", "garaje", "pasillo", "oficina", "baño"),
        "floor": ("planta baja", "primer piso", "ático", "sótano"),
        "item": ("leche", "pan", "manzanas", "jabón"),
        "anything": ("la cena", "la colada", "un paseo", "jazz", "la reunión"),
    },
    "it": {
        "name": ("lampada", "ventilatore", "porta d'ingresso", "radio", "tenda"),
        "area": ("cucina", "camera", "garage", "corridoio", "ufficio", "bagno"),
        "floor": ("piano terra", "primo piano", "soffitta", "cantina"),
        "item": ("latte", "pane", "mele", "sapone"),
        "anything": ("la cena", "il bucato", "una passeggiata", "jazz", "riunione"),
    },
    "nl": {
        "name": ("bureaulamp", "ventilator", "voordeur", "radio", "gordijn"),
        "area": ("keuken", "slaapkamer", "garage", "gang", "kantoor", "badkamer"),
        "floor": ("begane grond", "eerste verdieping", "zolder", "kelder"),
        "item": ("melk", "brood", "appels", "zeep"),
        "anything": ("het eten", "de was", "een wandeling", "jazz", "vergadering"),
    },
    "pt": {
        "name": ("candeeiro", "ventoinha", "porta da frente", "rádio", "cortina"),
        "area": ("cozinha", "quarto", "garagem", "corredor", "escritório", "sala"),
        "floor": ("rés do chão", "primeiro andar", "sótão", "cave"),
        "item": ("leite", "pão", "maçãs", "sabão"),
        "anything": ("o jantar", "a roupa", "um passeio", "jazz", "a reunião"),
    },
    "pl": {
        "name": ("lampka", "wentylator", "drzwi wejściowe", "radio", "zasłona"),
        "area": ("kuchnia", "sypialnia", "garaż", "korytarz", "biuro", "łazienka"),
        "floor": ("parter", "pierwsze piętro", "strych", "piwnica"),
        "item": ("mleko", "chleb", "jabłka", "mydło"),
        "anything": ("kolacja", "pranie", "spacer", "jazz", "spotkanie"),
    },
    "sv": {
        "name": ("skrivbordslampa", "fläkt", "ytterdörr", "radio", "gardin"),
        "area": ("kök", "sovrum", "garage", "hall", "kontor", "badrum"),
        "floor": ("bottenvåning", "övervåning", "vind", "källare"),
        "item": ("mjölk", "bröd", "äpplen", "tvål"),
        "anything": ("middag", "tvätten", "en promenad", "jazz", "mötet"),
    },
    "ru": {
        "name": ("лампа", "вентилятор", "входная дверь", "радио", "штора"),
        "area": ("кухня", "спальня", "гараж", "коридор", "кабинет", "ванная"),
        "floor": ("первый этаж", "второй этаж", "чердак", "подвал"),
        "item": ("молоко", "хлеб", "яблоки", "мыло"),
        "anything": ("ужин", "стирка", "прогулка", "джаз", "встреча"),
    },
    "zh-cn": {
        "name": ("台灯", "吊扇", "前门", "收音机", "窗帘"),
        "area": ("厨房", "卧室", "车库", "走廊", "书房", "浴室"),
        "floor": ("一楼", "二楼", "阁楼", "地下室"),
        "item": ("牛奶", "面包", "苹果", "肥皂"),
        "anything": ("晚饭", "洗衣服", "散步", "爵士乐", "开会"),
    },
    "ja": {
        "name": ("デスクランプ", "扇風機", "玄関ドア", "ラジオ", "カーテン"),
        "area": ("キッチン", "寝室", "ガレージ", "廊下", "書斎", "浴室"),
        "floor": ("一階", "二階", "屋根裏", "地下室"),
        "item": ("牛乳", "パン", "りんご", "石鹸"),
        "anything": ("夕食", "洗濯", "散歩", "ジャズ", "会議"),
    },
}


def values_of(language: str) -> Values:
    """The slot values of a language code, or the English ones.

    A region falls back to its language: `de-CH` to `de`.

    Example:

    >>> values_of("de-CH")["item"][0], values_of("xx") is ENGLISH
    ('Milch', True)
    """
    code = language.lower()
    return BY_LANGUAGE.get(code) or BY_LANGUAGE.get(code.split("-")[0]) or ENGLISH

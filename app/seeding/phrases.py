"""What customers and managers write, in the three languages of the house."""

from __future__ import annotations

from random import Random

from app.claims.schemas import About

# How many of a hundred customers write which.
LANGUAGES = {"ru": 80, "kk": 15, "en": 5}
COMMENTS = {
    "ru": ("Позвонить за час до прибытия", "Разгрузка с 9 до 17", "Нужны паспорта качества"),
    "kk": (
        "Келерден бір сағат бұрын қоңырау шалыңыз",
        "Жүк түсіру 9-дан 17-ге дейін",
        "Сапа паспорттары керек",
    ),
    "en": ("Please call an hour before arrival", "Unloading from 9 to 17", "Quality certificates are needed"),
}
CLAIMS = {
    About.QUALITY: {
        "ru": ("Вода в масле", "В нескольких ёмкостях партии обнаружена вода."),
        "kk": ("Майда су бар", "Партияның бірнеше ыдысында су табылды."),
        "en": ("Water in the oil", "Water was found in several containers of the batch."),
    },
    About.QUANTITY: {
        "ru": ("Недостача", "Принято меньше, чем указано в накладной."),
        "kk": ("Кем жеткізілген", "Жүкқұжатта көрсетілгеннен аз қабылданды."),
        "en": ("Shortage", "Less was received than the waybill says."),
    },
    About.DELIVERY: {
        "ru": ("Опоздание машины", "Машина пришла на сутки позже согласованного."),
        "kk": ("Көлік кешікті", "Көлік келісілгеннен бір тәулік кеш келді."),
        "en": ("The lorry was late", "The lorry came a day later than agreed."),
    },
}
RESOLUTIONS = {
    "accept": "Претензия обоснована, готовим замену",
    "refuse": "Проверка лаборатории отклонений не нашла",
    "settle": "Замена отгружена, клиент подтвердил",
}
DISCOUNT = "Большой объём"
LOST = "Выбран другой поставщик"
AGREEMENT = "Дополнительное соглашение 1"
ENDED = "По соглашению сторон"
CHATS = {
    "ru": ("Добрый день! Когда придёт машина?", "Здравствуйте! Отгрузка завтра утром."),
    "kk": ("Қайырлы күн! Көлік қашан келеді?", "Сәлеметсіз бе! Жөнелту ертең таңертең."),
    "en": ("Good afternoon! When will the lorry come?", "Hello! It leaves tomorrow morning."),
}
LETTERS = {
    "ru": ("Коллеги, вы довольны маслом для дизелей?", "Да, второй год берём его же."),
    "kk": ("Әріптестер, дизель майына көңіліңіз тола ма?", "Иә, екінші жыл соны аламыз."),
    "en": ("Are you content with the diesel oil?", "Yes, we have bought it for two years."),
}


def language(random: Random) -> str:
    return random.choices(tuple(LANGUAGES), tuple(LANGUAGES.values()))[0]

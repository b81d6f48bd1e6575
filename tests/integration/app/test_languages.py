"""Texts, dates and numbers of the portal in Russian, English and Kazakh, by Accept-Language (S8)."""

from __future__ import annotations

import pytest

from tests.integration.app.sales import CONTRACTS, DEALS, contract

SAID = {
    "ru": ("Запрос не соответствует описанию", "на этом этапе поле обязательно"),
    "en": ("The request does not fit its description", "this stage needs the field"),
    "kk": ("Сұрау сипаттамаға сәйкес келмейді", "бұл кезеңде өріс міндетті"),
}
RULES = {
    "ru": "Срок окончания должен быть позже начала",
    "en": "The terms must end after they start",
    "kk": "Аяқталу мерзімі басталуынан кейін болуы керек",
}
SHOWN = {
    "ru": {
        "status": ("Состояние", "действует"),
        "valid_until": ("Действует по", "31 декабря 2099 г."),
        "credit_limit": ("Кредитный лимит", "1 500 000,50 ₽"),
    },
    "en": {
        "status": ("Status", "active"),
        "valid_until": ("Valid until", "December 31, 2099"),
        "credit_limit": ("Credit limit", "RUB1,500,000.50"),
    },
    "kk": {
        "status": ("Күйі", "күшінде"),
        "valid_until": ("Аяқталу күні", "2099 ж. 31 желтоқсан"),
        "credit_limit": ("Несие лимиті", "1 500 000,50 ₽"),
    },
}


def plain(text):
    """Which of Unicode's spaces stands in a number is CLDR's to say, and changes with its releases."""
    return " ".join(text.split())


@pytest.mark.parametrize("language", SAID)
async def test_errors_are_said_in_the_readers_language(api, customer, language):
    form = {"customer_id": customer["id"], "title": "Карты", "starts": "2026-02-01", "ends": "2026-01-01"}
    deal = (await api.post(DEALS, form)).json()
    move = f"{DEALS}/{deal['id']}/stage"
    refused = await api.post(move, {"stage": "qualification"}, **{"Accept-Language": f"{language}, de;q=0.5"})
    assert refused.headers["Content-Language"] == language
    assert "Accept-Language" in refused.headers["Vary"]
    problem = refused.json()
    assert (problem["title"], problem["errors"][0]["detail"]) == SAID[language]
    assert {error["code"] for error in problem["errors"]} == {"required-by-stage"}, (
        "codes are nobody's language"
    )
    terms = {"contact": "Иванов", "product": "Карты", "planned_volume": "1", "payment": "prepaid"}
    await api.http.patch(
        f"{DEALS}/{deal['id']}", json={**terms, "deferral_days": 0}, headers={"If-Match": "*"}
    )
    assert (await api.post(move, {"stage": "qualification"})).status_code == 200
    broken = await api.post(move, {"stage": "offer"}, **{"Accept-Language": language})
    assert broken.json()["errors"][0]["detail"] == RULES[language], (
        "what an administrator wrote in three languages"
    )


@pytest.mark.parametrize("language", SHOWN)
async def test_a_record_is_shown_with_dates_and_sums_of_the_language(api, customer, number, language):
    form = contract(
        customer,
        number,
        valid_until="2099-12-31",
        payment="deferred",
        deferral_days=30,
        credit_limit="1500000.50",
    )
    made = (await api.post(CONTRACTS, form)).json()
    answer = await api.get(f"{CONTRACTS}/{made['id']}/display", **{"Accept-Language": language})
    assert answer.headers["Content-Language"] == language
    fields = {each["name"]: (each["label"], plain(each["text"])) for each in answer.json()["fields"]}
    assert {name: fields[name] for name in SHOWN[language]} == SHOWN[language]
    assert made["credit_limit"] == "1500000.50", "data stay data"


@pytest.mark.parametrize(
    ("language", "detail"),
    [("ru", "Обязательное поле"), ("en", "Field required"), ("kk", "Міндетті өріс")],
)
async def test_a_form_that_does_not_fit_is_explained(api, language, detail):
    answer = await api.post(DEALS, {"title": "Карты"}, **{"Accept-Language": language})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/customer_id", "code": "missing", "detail": detail}]

"""What provisioning makes for the API, against what the API takes: rooms that do not know each other."""

import random

import pytest
import yaml

from app.access.operations import need
from app.access.policy import TABLE, Reach, Role
from app.settings import Settings
from app.signin.secrets import SERVICE_PREFIX
from infra.paths import CHECKOUT
from infra.secret_values import new_values
from loadtests import api, data, subscription

MARKER = "run:person:1"
CHANCE = random.Random(1)  # noqa: S311  # the same at every run
CALLS = (
    api.create_customer(MARKER, data.company(CHANCE)),
    api.get_customer("x"),
    api.get_window("x"),
    api.get_points("x"),
    api.list_cards("x"),
    api.search("x"),
    api.register_request(MARKER, None, channel="call", subject="x"),
    api.take_request(MARKER, "x", "x"),
    api.close_request(MARKER, "x", "x"),
    api.get_request("x"),
    api.get_articles("x"),
    api.list_requests("x", stale=True),
    api.send_transaction(MARKER, data.purchase(CHANCE)),
    api.send_batch(MARKER, [data.purchase(CHANCE)]),
)


def yaml_of(path):
    return yaml.safe_load((CHECKOUT / path).read_text())


def roles_of(services):
    (account,) = yaml_of("playbooks/roles/crm/vars/main.yml")[services]
    return {Role(name) for name in account["roles"]}


def allowed(roles, method, path):
    wanted = need(method, path.partition("?")[0])
    return any(
        rule.role in roles
        and rule.reach is Reach.ALL
        and rule.resource is wanted.resource
        and wanted.action in rule.actions
        for rule in TABLE
    )


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_the_account_of_the_load_may_do_what_its_users_do_everywhere(call):
    assert allowed(roles_of("crm_services_always"), call.method, call.path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", subscription.PATH),
        ("POST", subscription.PATH),
        ("PUT", f"{subscription.PATH}/x"),
        ("GET", f"{subscription.PATH}/x/secret"),
    ],
)
def test_the_subscriber_may_subscribe_and_the_users_may_not(method, path):
    assert allowed(roles_of("crm_services_load"), method, path)
    assert not allowed(roles_of("crm_services_always"), method, path)


@pytest.mark.safety
def test_only_the_labs_clients_are_delivered_to_and_by_default_nobody():
    assert yaml_of("playbooks/roles/crm/defaults/main.yml")["crm_load_networks"] == []
    setters = [
        path.relative_to(CHECKOUT).as_posix()
        for path in CHECKOUT.glob("inventory/**/*.yml")
        if "crm_load_networks" in path.read_text()
    ]
    assert setters == ["inventory/lab/group_vars/application.yml"]
    assert yaml_of(setters[0])["crm_load_networks"] == ["{{ lab_client_site.subnet }}"]


def test_every_call_of_the_load_is_looked_at():
    returned = {
        name: getattr(function, "__annotations__", {}).get("return") for name, function in vars(api).items()
    }
    made = [name for name, kind in returned.items() if kind == "Call" and not name.startswith("_")]
    assert len(made) == len(CALLS)


def test_the_secrets_have_the_form_that_the_api_takes():
    made = new_values()
    settings = Settings(
        database_url="postgresql:///",
        authentication="required",
        access_secret=made["secret_crm_access_secret"],
        card_keys=made["secret_crm_card_keys"],
    )
    assert settings.sign_in_required
    assert settings.cards.versions == (1,)
    for key in ("secret_crm_load_key", "secret_crm_subscriber_key"):
        assert made[key].startswith(SERVICE_PREFIX)

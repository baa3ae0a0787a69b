import json
import re
from pathlib import Path
from uuid import UUID

import pytest

from mock_server.tenants import ANYONE, Accounts, Key, Tenant, exposure_warning, read_accounts

MODEL = "claude-sonnet-4-5"


def test_ids_have_the_api_s_shapes_and_are_each_one_s_own() -> None:
    tenants = [ANYONE, Tenant("acme"), Tenant("acme", "prod"), Tenant("acme", "dev"), Tenant("other", "prod")]
    assert {str(UUID(tenant.organization_id)) for tenant in tenants} == {tenant.organization_id for tenant in tenants}
    assert len({tenant.organization_id for tenant in tenants}) == 3
    assert all(re.fullmatch(r"wrkspc_[0-9A-Za-z]{24}", tenant.workspace_id) for tenant in tenants)
    assert len({tenant.workspace_id for tenant in tenants}) == 5


def test_ids_that_are_ids_already_stay() -> None:
    tenant = Tenant("0f0e0d0c-0b0a-4908-8706-050403020100", "wrkspc_011CZkZaBF1tNoB5wlCeusgy")
    assert (tenant.organization_id, tenant.workspace_id) == tenant


def write(folder: Path, content: object) -> str:
    path = folder / "keys.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_a_keys_file(tmp_path: Path) -> None:
    limit = {"group_type": "model_group", "models": [MODEL], "limits": [{"type": "requests_per_minute", "value": 5}]}
    accounts = read_accounts(
        write(
            tmp_path,
            {
                "keys": {"a": {}, "b": {"organization": "acme", "workspace": "prod"}, "c": {"admin": True}},
                "organizations": {"acme": {"tier": "build", "workspaces": {"prod": {"limits": [limit]}}}},
            },
        )
    )
    assert accounts.keys == {"a": Key(), "b": Key("acme", "prod"), "c": Key(admin=True)}
    assert [key.tenant for key in accounts.keys.values()] == [ANYONE, Tenant("acme", "prod"), ANYONE]
    assert accounts.organizations["acme"].workspaces["prod"].limits[0].value("requests_per_minute") == 5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([], "array"),
        ({}, "keys"),
        ({"keys": {}}, "nobody could get in"),
        ({"keys": {"a": {"organisation": "acme"}}}, "organisation"),
        ({"keys": {"a": {"organization": 1}}}, "$.keys"),
        ({"keys": {"a": {}}, "organizations": {"x": {"tier": "gold"}}}, "gold"),
        ({"keys": {"a": {}}, "organizations": {"x": {"tier": "nowhere.json"}}}, "nowhere.json"),
        ({"keys": {"a": {}}, "organizations": {"x": {"credit": -1}}}, "credit"),
        (
            {"keys": {"a": {}}, "organizations": {"x": {"workspaces": {"w": {"limits": [{"limits": []}]}}}}},
            "workspaces.w",
        ),
        (
            {
                "keys": {"a": {}},
                "organizations": {
                    "x": {"workspaces": {"default": {"limits": [{"group_type": "model_group", "limits": []}]}}}
                },
            },
            "default workspace",
        ),
    ],
)
def test_a_wrong_keys_file_is_said_clearly(tmp_path: Path, content: object, words: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        read_accounts(path)
    assert path in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert exposure_warning(host, None) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_elsewhere_keys_are_asked_for(host: str) -> None:
    assert host in (exposure_warning(host, None) or "")
    assert exposure_warning(host, Accounts({"a": Key()})) is None

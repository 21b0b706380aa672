"""An administrator's calls, as botocore's own model of Cognito takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from client import users as module
from client.errors import AdministrationError
from client.outputs import Outputs
from client.users import Users

POOL, ANN = "us-east-1_pool", "ann@example.com"
OUTPUTS = Outputs.model_validate(
    {
        "region": "us-east-1",
        "invokeUrl": "https://x.example/dev/invocations",
        "userPoolId": POOL,
        "userPoolClientId": "client",
        "issuer": "https://x.example",
    }
)
WHO = {"UserPoolId": POOL, "Username": ANN}
SESSION = botocore.session.get_session()
"""One for all tests, so that AWS's model is read once."""


@pytest.fixture
def cognito(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = SESSION.create_client(
        "cognito-idp", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    monkeypatch.setattr(module, "administrator", lambda _outputs, _profile: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def exists(cognito: Stubber, status: str) -> None:
    cognito.add_client_error("admin_create_user", "UsernameExistsException")
    cognito.add_response("admin_get_user", {"Username": ANN, "UserStatus": status}, WHO)


def test_an_invitation_that_expired_is_sent_again(cognito: Stubber) -> None:
    exists(cognito, "FORCE_CHANGE_PASSWORD")
    again: dict[str, Any] = {**WHO, "MessageAction": "RESEND", "DesiredDeliveryMediums": ["EMAIL"]}
    cognito.add_response("admin_create_user", {}, again)
    assert Users(OUTPUTS).add(ANN, invite=True) is None


def test_without_an_invitation_a_new_temporary_password_is_set_and_told(cognito: Stubber) -> None:
    exists(cognito, "FORCE_CHANGE_PASSWORD")
    cognito.add_response("admin_set_user_password", {}, {**WHO, "Password": ANY, "Permanent": False})
    assert Users(OUTPUTS).add(ANN, invite=False)


def test_somebody_who_signs_in_already_is_not_invited_again(cognito: Stubber) -> None:
    exists(cognito, "CONFIRMED")
    with pytest.raises(AdministrationError, match="users reset"):
        Users(OUTPUTS).add(ANN, invite=True)


def test_a_user_is_let_in_again_reset_and_deleted(cognito: Stubber) -> None:
    cognito.add_response("admin_enable_user", {}, WHO)
    cognito.add_response("admin_reset_user_password", {}, WHO)
    cognito.add_response("admin_user_global_sign_out", {}, WHO)
    cognito.add_response("admin_delete_user", {}, WHO)
    users = Users(OUTPUTS)
    users.enable(ANN)
    users.reset(ANN)
    users.delete(ANN)


def test_groups_are_added_removed_and_told(cognito: Stubber) -> None:
    cognito.add_response("admin_add_user_to_group", {}, {**WHO, "GroupName": "admins"})
    cognito.add_response("admin_remove_user_from_group", {}, {**WHO, "GroupName": "guests"})
    cognito.add_response("admin_list_groups_for_user", {"Groups": [{"GroupName": "admins"}]}, WHO)
    assert Users(OUTPUTS).change_groups(ANN, ["admins"], ["guests"]) == ["admins"]


def test_a_group_that_is_not_there_is_told_in_a_sentence(cognito: Stubber) -> None:
    cognito.add_client_error("admin_add_user_to_group", "ResourceNotFoundException", "Group not found.")
    with pytest.raises(AdministrationError, match="Group not found"):
        Users(OUTPUTS).change_groups(ANN, ["nosuch"], [])

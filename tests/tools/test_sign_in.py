"""The doctor's user signs in without a terminal."""

from __future__ import annotations

import pytest

from client.signin import Challenge
from tools.sign_in import CannotSignIn, answer, code, sign_in_as_given

# RFC 6238, appendix B: the secret is the ASCII text 12345678901234567890, and six of the eight digits are shown.
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
VECTORS = {59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}


@pytest.mark.parametrize(("at", "shown"), VECTORS.items())
def test_the_code_is_that_of_the_standard(at: int, shown: str) -> None:
    assert code(SECRET, at) == shown
    assert code("gezd gnbv gy3t qojq gezd gnbv gy3t qojq", at) == shown


def test_a_secret_that_is_none_is_told() -> None:
    with pytest.raises(CannotSignIn, match="not base32"):
        code("0189", 0)


def test_a_challenge_that_nobody_can_answer_says_what_to_store() -> None:
    with pytest.raises(CannotSignIn, match="DOCTOR_TOTP_SECRET"):
        answer(Challenge("SOFTWARE_TOKEN_MFA", "Code", secret=False), {})
    with pytest.raises(CannotSignIn, match="NEW_PASSWORD_REQUIRED"):
        answer(Challenge("NEW_PASSWORD_REQUIRED", "New password", secret=True), {"DOCTOR_TOTP_SECRET": SECRET})
    assert len(answer(Challenge("SOFTWARE_TOKEN_MFA", "Code", secret=False), {"DOCTOR_TOTP_SECRET": SECRET})) == 6


def test_without_a_user_nobody_is_signed_in() -> None:
    assert not sign_in_as_given("dev", {"DOCTOR_USERNAME": "a@example.com"})

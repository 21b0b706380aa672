"""``python -m local.planes.user_pool``: ministack behind `front`, on BIND_HOST and GATEWAY_PORT."""

from __future__ import annotations

from typing import Any

import ministack.app
from ministack.services import cognito

from local.planes.user_pool.front import Front


def keep_sign_in_times() -> None:
    """Patch the emulator so that refreshed tokens keep the ``auth_time`` of the sign-in.

    OpenID Connect requires it (https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse), and
    oidc-client-ts refuses a refreshed token with another one. The emulator signs the tokens, so the claim can only be
    corrected there; tokens of one sign-in share their ``origin_jti``.
    """
    sign, began = cognito._signed_jwt, dict[str, int]()

    def signed(claims: dict[str, Any], pool_id: str = "", use: str = "") -> str:
        origin, now = claims.get("origin_jti"), claims.get("auth_time")
        if origin and now is not None:
            claims = {**claims, "auth_time": began.setdefault(origin, now)}
        return str(sign(claims, pool_id, use))

    cognito._signed_jwt = signed


def main() -> None:
    """Serve until told to stop."""
    keep_sign_in_times()
    ministack.app.app = Front(ministack.app.app)
    ministack.app.main()


if __name__ == "__main__":
    main()

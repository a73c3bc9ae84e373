"""What this authorization server can do (RFC 8414), with what other documents add to it."""

from typing import Any

from core.settings import Settings
from gateway.oauth.details import TYPE
from gateway.oauth.jws import ALGORITHM
from gateway.oauth.server import AUTH_METHOD

GRANT_TYPES = (
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "urn:openid:params:grant-type:ciba",
)


def metadata_of(settings: Settings) -> dict[str, Any]:
    issuer = settings.public_url
    endpoints = {
        "token_endpoint": "/oauth/token",
        "pushed_authorization_request_endpoint": "/oauth/par",  # RFC 9126 §5
        "backchannel_authentication_endpoint": "/oauth/bc-authorize",  # CIBA §4
        "introspection_endpoint": "/oauth/introspect",  # RFC 7662
        "revocation_endpoint": "/oauth/revoke",  # RFC 7009
    }
    about: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        **{name: issuer + path for name, path in endpoints.items()},
        "jwks_uri": f"{issuer}/jwks",
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "scopes_supported": [],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [AUTH_METHOD],
        "token_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
        "introspection_endpoint_auth_methods_supported": [AUTH_METHOD],
        "introspection_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
        "introspection_signing_alg_values_supported": [ALGORITHM],  # RFC 9701 §7
        "revocation_endpoint_auth_methods_supported": [AUTH_METHOD],
        "revocation_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
        "backchannel_token_delivery_modes_supported": ["poll", "ping"],
        "backchannel_user_code_parameter_supported": False,
        "backchannel_authentication_request_signing_alg_values_supported": [ALGORITHM],
        "dpop_signing_alg_values_supported": [ALGORITHM],  # RFC 9449 §5.1
        "tls_client_certificate_bound_access_tokens": settings.mtls_url is not None,  # RFC 8705 §3.3
        "require_pushed_authorization_requests": True,
        "authorization_response_iss_parameter_supported": True,  # RFC 9207 §3
        "authorization_details_types_supported": [TYPE],  # RFC 9396 §10
        "require_signed_request_object": settings.signed_requests,  # RFC 9101 §10.5
        "request_parameter_supported": True,
        "request_uri_parameter_supported": False,  # no request objects by reference
        "request_object_signing_alg_values_supported": [ALGORITHM],
        "grant_management_endpoint": f"{issuer}/grants",  # Grant Management for OAuth 2.0 §7.1
        "grant_management_actions_supported": ["create", "replace", "query", "revoke"],
        "grant_management_action_required": False,
        "service_documentation": f"{issuer}/docs",
        "ui_locales_supported": ["zh-CN", "en"],
    }
    if settings.mtls_url is not None:
        about["mtls_endpoint_aliases"] = {name: settings.mtls_url + path for name, path in endpoints.items()}
    return about

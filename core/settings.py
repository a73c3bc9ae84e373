"""Settings: every one works when absent, each is read from ``HUB_<NAME>`` in the environment."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    PostgresDsn,
    RedisDsn,
    TypeAdapter,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

POSTGRES_URL = TypeAdapter(PostgresDsn)
REDIS_URL = TypeAdapter(RedisDsn)
HTTP_URL = TypeAdapter(AnyHttpUrl)


class OwnerSettings(BaseModel):
    """How the owner of live data sets is reached: its exchange, who we are there, and its service per data set."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    requester: str = Field(min_length=1, max_length=100, pattern=r"^[!-~]+$")
    key_file: Path
    services: dict[str, Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[!-~]+$")]]

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        HTTP_URL.validate_python(url)
        return url


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_ignore_empty=True, env_prefix="HUB_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    var_dir: Path = Field(Path("var"), description="where the private servers and the keys live")
    database_url: str | None = Field(None, description="PostgreSQL 15+, as hub_app; absent: a private one")
    owner_database_url: str | None = Field(None, description="the role that migrates; absent: database_url")
    redis_url: str | None = Field(None, description="Redis 7+; absent: a private one")
    database_connections: int = Field(8, ge=2, le=200, description="connections of one process, at most")

    public_url: str = Field("http://127.0.0.1:8000", description="issuer of tokens, base of every link")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)

    mtls_url: str | None = Field(None, description="public address of the mutually authenticated listener")
    mtls_port: int = Field(8443, ge=0, le=65535)
    mtls_certificate: Path | None = Field(
        None, description="PEM; with key, client CA and URL it opens the listener"
    )
    mtls_key: Path | None = None
    mtls_client_ca: Path | None = None
    certificate_header_from: str | None = Field(
        None,
        description="address of the TLS proxy whose X-SSL-Client-Cert header (URL-encoded PEM) is believed",
    )

    dpop_nonce: bool = Field(
        True, description="whether every DPoP proof must carry a fresh nonce of the hub (RFC 9449 §8)"
    )
    signed_requests: bool = Field(
        False, description="whether banks must sign what they ask of an enterprise (RFC 9101, CIBA §7.1.1)"
    )

    sm2_signature: bool = Field(
        True, description="whether consents are signed a second time, by SM2 (GB/T 32918)"
    )

    government_login_issuer: str = Field("http://127.0.0.1:8001", description="OpenID Connect issuer")
    government_login_client_id: str = "xinyi-hub"
    business_licence_issuer: str | None = Field(
        None, description="OpenID4VP issuer of the electronic business licence; absent: no such log-in"
    )
    business_licence_client_id: str = "xinyi-hub"
    bank_transfer_url: str | None = Field(
        None, description="base of the transfer service, also its audience; absent: no proof by bank transfer"
    )
    bank_transfer_client_id: str = "xinyi-hub"

    owners: Annotated[dict[str, OwnerSettings], NoDecode] = Field(
        {}, description="owners that are asked at call time, as JSON"
    )

    inbox_dir: Path | None = Field(None, description="intake directory that the worker watches; absent: none")

    webhook_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (),
        description="private networks in which webhooks of banks may be, with commas between; absent: none",
    )
    webhook_ca: Path | None = Field(
        None, description="PEM; trusted for webhooks besides the public authorities"
    )

    rate_per_second: float = Field(500, gt=0, description="questions per participant and data set, sustained")
    rate_burst: int = Field(1000, ge=1, description="questions that may come at once on top")
    availability_per_minute: float = Field(
        60, gt=0, description="looks of a participant whether there is anything to ask for, also at once"
    )

    token_rate_per_second: float = Field(
        20,
        gt=0,
        description="calls of one OAuth client at the OAuth endpoints, sustained; 5 seconds' worth at once",
    )
    address_rate_per_second: float = Field(
        50,
        gt=0,
        description="log-ins and calls of the OAuth endpoints from one address, sustained; 5 seconds' worth at once",
    )

    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("database_url", "owner_database_url")
    @classmethod
    def _is_postgres(cls, url: str | None) -> str | None:
        if url is not None:
            POSTGRES_URL.validate_python(url)
            if not url.startswith(("postgresql://", "postgres://")):
                raise ValueError("give a plain postgresql:// address, without a driver name")
        return url

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: str | None) -> str | None:
        if url is not None:
            REDIS_URL.validate_python(url)
        return url

    @field_validator("owners", mode="before")
    @classmethod
    def _is_json(cls, owners: object) -> object:
        """Decoded here, so that a slip in it is told as any wrong setting."""
        return json.loads(owners) if isinstance(owners, str) else owners

    @field_validator("webhook_networks", mode="before")
    @classmethod
    def _is_a_list(cls, networks: object) -> object:
        return networks.split(",") if isinstance(networks, str) else networks

    @field_validator(
        "public_url", "mtls_url", "government_login_issuer", "business_licence_issuer", "bank_transfer_url"
    )
    @classmethod
    def _has_no_trailing_slash(cls, url: str | None) -> str | None:
        if url is not None and (not url.startswith(("http://", "https://")) or url.endswith("/")):
            raise ValueError("give an http(s) address without a slash at its end")
        return url

    @model_validator(mode="after")
    def _mutual_tls_is_whole(self) -> Self:
        files = (self.mtls_certificate, self.mtls_key, self.mtls_client_ca)
        if any(files) and not (all(files) and self.mtls_url):
            raise ValueError("HUB_MTLS_CERTIFICATE, _KEY, _CLIENT_CA and HUB_MTLS_URL belong together")
        return self

    @property
    def cookies_secure(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def own_urls(self) -> tuple[str, ...]:
        """Every base address under which a bank may reach this hub (for the `htu` of a DPoP proof)."""
        return (self.public_url,) if self.mtls_url is None else (self.public_url, self.mtls_url)

"""The counterparts by which enterprises prove who they are, as the settings name them."""

import base64
from collections.abc import Mapping

from joserfc.jwk import ECKey

from adapters import BankTransfer, BusinessLicence, GovernmentLogin, Login, LoginWay, TransferService
from core.clock import Clock
from core.keys import Keys
from core.master_secret import MasterSecret
from core.settings import Settings


def open_bank_transfer(settings: Settings, keys: Keys, clock: Clock) -> BankTransfer | None:
    """None: no proof by bank transfer."""
    if settings.bank_transfer_url is None:
        return None
    return TransferService(
        url=settings.bank_transfer_url,
        client_id=settings.bank_transfer_client_id,
        key=lambda: keys["login"],
        clock=lambda: clock().timestamp(),
    )


def open_logins(
    settings: Settings, keys: Keys, master_secret: MasterSecret, clock: Clock
) -> Mapping[LoginWay, Login]:
    """Every way in that is there; one person has one subject per enterprise, whichever way they come."""

    def subject_of(uscc: str, person_id: str) -> str:
        return base64.urlsafe_b64encode(master_secret.derive("person", uscc, person_id)).rstrip(b"=").decode()

    def key() -> ECKey:
        return keys["login"]

    def seconds() -> float:
        return clock().timestamp()

    back = f"{settings.public_url}/portal/callback"
    logins: dict[LoginWay, Login] = {
        "government": GovernmentLogin(
            issuer=settings.government_login_issuer,
            client_id=settings.government_login_client_id,
            redirect_uri=back,
            key=key,
            subject_of=subject_of,
            clock=seconds,
        )
    }
    if settings.business_licence_issuer is not None:
        logins["licence"] = BusinessLicence(
            issuer=settings.business_licence_issuer,
            client_id=settings.business_licence_client_id,
            redirect_uri=f"{back}/licence",
            key=key,
            subject_of=subject_of,
            clock=seconds,
        )
    return logins

"""The outside world, one file per counterpart. Outgoing HTTP lives here and nowhere else."""

from adapters.bank_transfer import BankTransfer, Progress, TransferOrder, TransferService
from adapters.business_licence import BusinessLicence
from adapters.data_owners import DataOwner, ExchangeOwner, OwnerRow, exchange_keys, open_data_owners
from adapters.government_login import GovernmentLogin
from adapters.health_gate import Health, HealthGate
from adapters.logins import LOGIN_WAYS, Login, LoginAnswer, LoginStart, LoginWay
from adapters.webhooks import Outcome, WebhookSender, open_sender, standard_headers, written_secret

__all__ = [
    "LOGIN_WAYS",
    "BankTransfer",
    "BusinessLicence",
    "DataOwner",
    "ExchangeOwner",
    "GovernmentLogin",
    "Health",
    "HealthGate",
    "Login",
    "LoginAnswer",
    "LoginStart",
    "LoginWay",
    "Outcome",
    "OwnerRow",
    "Progress",
    "TransferOrder",
    "TransferService",
    "WebhookSender",
    "exchange_keys",
    "open_data_owners",
    "open_sender",
    "standard_headers",
    "written_secret",
]
